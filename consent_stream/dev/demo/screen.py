"""What is shown: colours, tables and a spinner on a terminal; plain lines anywhere else; JSON lines for scripts."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

Row = Sequence[str]


class Screen(Protocol):
    """Where the story is told. `more` are figures for scripts; people read them in the text."""

    def open(self, title: str, lines: Sequence[str]) -> None:
        """What this is, and what it is not."""

    def act(self, number: int, title: str, told: str) -> None:
        """A new act begins; `told` says what will be seen, before it is seen."""

    def say(self, text: str, good: bool | None = None, **more: Any) -> None:
        """One line. good: True for what held, False for a fault."""

    def table(self, title: str, columns: Row, rows: Sequence[Row]) -> None:
        """Rows of cells."""

    def working(self, text: str) -> AbstractContextManager[None]:
        """While something takes its time."""

    def pause(self, seconds: float) -> None:
        """Time for a person to read; scripts and logs need none."""


def choose_screen(as_json: bool, environ: Mapping[str, str] | None = None) -> Screen:
    """The screen that fits where stdout goes (NO_COLOR: https://no-color.org)."""
    environ = os.environ if environ is None else environ
    if as_json:
        return JsonScreen()
    plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return PlainScreen() if plain else TerminalScreen(Console(highlight=False))


class PlainScreen:
    """Lines without colour or movement, for logs and pipes."""

    def open(self, title: str, lines: Sequence[str]) -> None:
        """See `Screen`."""
        _line(title)
        for line in lines:
            _line(f"  {line}")

    def act(self, number: int, title: str, told: str) -> None:
        """See `Screen`."""
        _line(f"\n{number}. {title}\n   {told}")

    def say(self, text: str, good: bool | None = None, **more: Any) -> None:
        """See `Screen`."""
        _line(f"   {_MARKS[good]} {text}")

    def table(self, title: str, columns: Row, rows: Sequence[Row]) -> None:
        """See `Screen`."""
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        _line(f"   {title}")
        for row in (columns, *rows):
            _line("     " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """See `Screen`."""
        _line(f"   … {text}")
        yield

    def pause(self, seconds: float) -> None:
        """See `Screen`."""


class JsonScreen:
    """One JSON object a line: {"say" | "act" | "table" | "open": …}."""

    def open(self, title: str, lines: Sequence[str]) -> None:
        """See `Screen`."""
        _line(json.dumps({"open": title, "lines": list(lines)}))

    def act(self, number: int, title: str, told: str) -> None:
        """See `Screen`."""
        _line(json.dumps({"act": number, "title": title, "told": told}))

    def say(self, text: str, good: bool | None = None, **more: Any) -> None:
        """See `Screen`."""
        _line(json.dumps({"say": text, "good": good, **more}))

    def table(self, title: str, columns: Row, rows: Sequence[Row]) -> None:
        """See `Screen`."""
        _line(json.dumps({"table": title, "rows": [dict(zip(columns, row, strict=True)) for row in rows]}))

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """See `Screen`."""
        yield

    def pause(self, seconds: float) -> None:
        """See `Screen`."""


class TerminalScreen:
    """Colours, tables, and a spinner while something takes its time."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def open(self, title: str, lines: Sequence[str]) -> None:
        """See `Screen`."""
        self._console.print(Panel(escape("\n".join(lines)), title=f"[bold]{escape(title)}[/]", border_style="yellow"))

    def act(self, number: int, title: str, told: str) -> None:
        """See `Screen`."""
        self._console.print()
        self._console.rule(f"[bold cyan]{number}. {escape(title)}[/]", align="left", style="cyan")
        self._console.print(f"[dim]{escape(told)}[/]")

    def say(self, text: str, good: bool | None = None, **more: Any) -> None:
        """See `Screen`."""
        colour = {True: "green", False: "bold red", None: "white"}[good]
        self._console.print(f"[{colour}]{_MARKS[good]}[/] {escape(text)}")

    def table(self, title: str, columns: Row, rows: Sequence[Row]) -> None:
        """See `Screen`."""
        table = Table(title=escape(title), title_justify="left", title_style="bold", header_style="dim", box=None)
        for column in columns:
            table.add_column(escape(column))
        for row in rows:
            table.add_row(*map(_coloured, row))
        self._console.print(table)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """See `Screen`."""
        with self._console.status(escape(text)):
            yield

    def pause(self, seconds: float) -> None:
        """See `Screen`."""
        time.sleep(seconds)


_MARKS = {True: "✓", False: "✗", None: "·"}


def _coloured(cell: str) -> str:
    text = escape(cell)
    if cell.startswith("allow"):
        return f"[green]{text}[/]"
    return f"[red]{text}[/]" if cell.startswith(("deny", "SUPPRESSED")) else text


def _line(text: str) -> None:
    print(text, flush=True)
