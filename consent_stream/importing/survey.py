"""What a file holds, read from end to end before anything of it is sent: a file that is refused is refused whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from consent_stream.importing.events import BROKEN, INCOMPLETE, UNREADABLE, Batch, Told, tell
from consent_stream.importing.rows import Reading, Row, read_rows

SHOWN = 20  # faults that are kept word for word; all are counted


class Item(NamedTuple):
    """A row and what it comes to. number: from 1, over all parts of the file."""

    number: int
    row: Row
    told: Told


@dataclass
class Survey:
    """The counts of one file. fates: statuses sent, and why rows were not; faults: lines that need a look.

    sent: events. undated: restrictions without a date, which then count from when they arrive.
    """

    rows: int = 0
    sent: int = 0
    undated: int = 0
    faulty: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Count one row in."""
        _, row, (fate, value) = item
        self.rows += 1
        self.sent += value is not None
        self.fates[fate] += 1
        self.undated += value is not None and not row.time
        why = row.fault or {UNREADABLE: "an address that is none"}.get(fate, "")
        if why and (fate in (BROKEN, UNREADABLE) or row.fault):
            self.faulty += 1
            if len(self.faults) < SHOWN:
                kept = "; its no is sent all the same" if value is not None else ""
                self.faults.append(f"line {row.line}: {why}{kept}")

    @property
    def permitting(self) -> int:
        """Rows that say somebody subscribed and could be read, with their proof or without."""
        return self.fates["subscribed"] + self.fates[INCOMPLETE]


def items(path: Path, reading: Reading, batch: Batch) -> Iterator[Item]:
    """Every row of a file with its event, the same in every run. Errors: FileFault."""
    for number, row in enumerate(read_rows(path, reading), 1):
        yield Item(number, row, tell(row, batch))


def survey(path: Path, reading: Reading, batch: Batch, seen: Callable[[int], None] = lambda rows: None) -> Survey:
    """Read a file whole. `seen` is called with the rows so far, now and then. Errors: FileFault."""
    found = Survey()
    for item in items(path, reading, batch):
        found.add(item)
        if found.rows % 1000 == 0:
            seen(found.rows)
    return found
