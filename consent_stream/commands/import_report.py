"""What `import` shows: a bar while it works, and a summary. No address in either."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from consent_stream.importing.events import Batch
from consent_stream.importing.survey import Survey

if TYPE_CHECKING:
    from consent_stream.importing.difference import Difference

T = TypeVar("T")
TOLD_EVERY = 256
WORDS = {
    "subscribed": "subscribed, with proof",
    "unsubscribed": "unsubscribed",
    "bounced": "bounced",
    "complained": "complained",
    "incomplete_proof": "subscribed, without date, method, origin or notice: no permission",
    "unreadable": "with an address that is none",
    "broken": "broken, not sent",
    "skipped": "that say nothing of consent, not sent",
}
CHANGES = {
    "newly_denied": "allowed now, denied after it",
    "already_denied": "denied already",
    "still_denied": "subscribed in the file, and denied all the same",
    "newly_allowed": "denied now, allowed after it",
    "still_allowed": "allowed before and after",
}


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "")


class Bar:
    """Progress on stderr, on a terminal alone; one task at a time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, what: str, total: int | None = None, done: int = 0) -> None:
        """A new task in place of the last."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(escape(what), total=total, completed=done)

    def seen(self, rows: int) -> None:
        """Rows of this task so far."""
        if self._task is not None:
            self._progress.update(self._task, completed=rows)

    def counted(self, rows: Iterable[T]) -> Iterator[T]:
        """The rows, counted while they go by."""
        for number, row in enumerate(rows, 1):
            yield row
            if number % TOLD_EVERY == 0:
                self.seen(number)

    def close(self) -> None:
        """Away with it, before the summary."""
        self._progress.stop()


@contextmanager
def bar() -> Iterator[Bar]:
    """A bar for a command."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
    hidden = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as progress:
        yield Bar(progress)


class Summary:
    """What files held, and what became of it."""

    def __init__(self, files: Sequence[tuple[Path, Batch, Survey]]) -> None:
        self._files = files
        self._more: dict[str, Any] = {}
        self.faulty = sum(each.faulty for _, _, each in files)

    def sent(self, furthest: Mapping[int, int], resumed: int, seconds: float) -> None:
        """Published. furthest: greatest offset by partition. resumed: rows that an earlier run had proven."""
        rows = sum(each.rows for _, _, each in self._files) - resumed
        self._more["receipts"] = {str(partition): offset for partition, offset in sorted(furthest.items())}
        self._more |= {"resumed_after": resumed, "rows_per_second": round(rows / seconds) if seconds else 0}

    def compared(self, difference: "Difference") -> None:
        """Not published: what would change."""
        self._more["difference"] = vars(difference)

    def show(self, as_json: bool) -> None:
        """On stdout; the lines that need a look on stderr."""
        for path, _, each in self._files:
            for fault in each.faults:
                click.echo(f"{path.name}: {fault}", err=True)
            if each.faulty > len(each.faults):
                click.echo(f"{path.name}: and {each.faulty - len(each.faults):,} more", err=True)
        if as_json:
            files = [_fields(*each) for each in self._files]
            click.echo(json.dumps({"files": files, "faulty": self.faulty, **self._more}))
            return
        for path, batch, each in self._files:
            click.echo(f"{path.name}: {each.rows:,} rows, {each.sent:,} events; batch {batch.id}")
            for fate, words in WORDS.items():
                if each.fates[fate]:
                    click.echo(f"  {each.fates[fate]:>10,}  {words}")
            if each.undated:
                click.echo(f"  {each.undated:>10,}  of them without a date: they count from their arrival")
        if "difference" in self._more:
            _show_difference(self._more["difference"])
        else:
            again = (
                f"; {self._more['resumed_after']:,} rows were through already" if self._more["resumed_after"] else ""
            )
            click.echo(f"published, {self._more['rows_per_second']:,} rows/s{again}")
            receipts = " ".join(f"{partition}:{offset}" for partition, offset in self._more["receipts"].items())
            click.echo(f"greatest receipts: {receipts or 'none'}")


def _fields(path: Path, batch: Batch, each: Survey) -> dict[str, Any]:
    counts = {"rows": each.rows, "events": each.sent, "undated": each.undated, "faulty": each.faulty}
    names = {"file": str(path), "sha256": batch.digest, "batch": batch.id, "source": batch.source}
    return {**names, **counts, "fates": dict(each.fates), "faults": each.faults}


def _show_difference(found: Mapping[str, Any]) -> None:
    click.echo(f"nothing was published; it would change {found['addresses']:,} addresses like this:")
    for name, words in CHANGES.items():
        because = ""
        if name == "still_denied" and found["reasons"]:
            because = ": " + ", ".join(f"{reason} {count:,}" for reason, count in sorted(found["reasons"].items()))
        click.echo(f"  {found[name]:>10,}  {words}{because}")
    for code, count in sorted(found["quarantined"].items()):
        click.echo(f"  {count:>10,}  events would go to quarantine: {code}")
