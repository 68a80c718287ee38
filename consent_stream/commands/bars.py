"""Bars on a terminal while topics are read; what is through before anyone could read a bar shows none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import Progress

QUIET_BELOW = 20_000  # records
Tell = Callable[[str, int, int], None]  # (what is done, how much of it, of how much)


@contextmanager
def reading_bars() -> Iterator[Tell]:
    """A bar for each thing that is told of, on standard error, gone at the end."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks and of >= QUIET_BELOW:
                tasks[what] = progress.add_task(what)
            if what in tasks:
                progress.update(tasks[what], completed=done, total=of)

        yield tell


@contextmanager
def reading(what: str) -> Iterator[Callable[[int, int], None]]:
    """The same for one thing."""
    with reading_bars() as tell:
        yield partial(tell, what)
