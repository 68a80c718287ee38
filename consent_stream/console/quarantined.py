"""What lies in `consent.quarantine`: counts and coordinates, without a byte of what was sent. Pure.

Of a week; whatever its number, counts by code and the newest records are kept, and the newest of those that may be
somebody's "no": these are what on-call must look at, until they are put back or dropped.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from consent_stream.inspection.quarantine import Held
from consent_stream.wire.marks import Mark, Marks, Place

KEPT = 200  # newest records whose coordinates are shown
KEPT_DOUBTS = 2000  # newest that may be a withdrawal
MOST_CODES = 200  # anybody who may write there may invent some
OTHERS = "(others)"


class Record(NamedTuple):
    """One record. at: when it was quarantined (µs). origin: topic and place of what it was. size: bytes of its value.
    doubt: it may be a withdrawal."""

    place: Place
    at: int
    code: str
    stage: str
    origin: str
    size: int
    doubt: bool


class Quarantined:
    """Counters by code and stage, the newest records, and what was done with them."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.newest: deque[Record] = deque(maxlen=KEPT)
        self.doubts: deque[Record] = deque(maxlen=KEPT_DOUBTS)
        self.marks = Marks()

    def add(self, held: Held) -> None:
        """Count one."""
        kind = (held.code, held.stage)
        self.counts[kind if kind in self.counts or len(self.counts) < MOST_CODES else (OTHERS, "")] += 1
        record = Record(held.place, held.written, held.code, held.stage, held.origin, held.size, held.may_be_withdrawal)
        self.newest.append(record)
        if record.doubt:
            self.doubts.append(record)

    def note(self, value: bytes | None) -> None:
        """A record of `consent.audit`, which may mark some."""
        self.marks.note(value)

    def by_code(self) -> list[tuple[str, str, int]]:
        """(code, stage, records), the most first."""
        return sorted(((*kind, count) for kind, count in self.counts.items()), key=lambda each: (-each[2], each[:2]))

    def rows(self, code: str | None = None) -> list[tuple[Record, Mark | None]]:
        """The newest records, the newest first, of one code or of all; with what was done with them."""
        found = sorted((each for each in self.newest if code in (None, each.code)), key=_at, reverse=True)
        return [(each, self.marks.of(each.place, each.at)) for each in found]

    def open_doubts(self) -> list[Record]:
        """Those that may be a withdrawal and are neither put back nor dropped, the oldest first."""
        return sorted((each for each in self.doubts if self.marks.of(each.place, each.at) is None), key=_at)


def _at(record: Record) -> int:
    return record.at
