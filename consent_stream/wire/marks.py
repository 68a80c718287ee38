"""Marks on quarantined records, in `consent.audit`: by whom, when and why they were put back or dropped.

`consent.quarantine` is never changed: a record stays there, byte for byte, for its 90 days. The audit is kept for years
and in order, and who may turn the kill switch may write it; so it is the audit that tells which records are done with.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

Place = tuple[int, int]  # partition and offset in `consent.quarantine`

BEGUN = "quarantine.replaying"  # said before the first is put back; marks nothing
REPLAYED, DROPPED = "quarantine.replayed", "quarantine.dropped"
AT_ONCE = 5_000  # places in one record of the audit


class Mark(NamedTuple):
    """at: µs. A mark is of records written up to then: a topic made anew counts from 0 again."""

    action: str
    at: int
    by: str
    reason: str
    places: tuple[Place, ...]


def encode_mark(mark: Mark) -> bytes:
    """The record of `consent.audit`. Places are written as stretches: {"3": [[17, 19], [40, 40]]}."""
    return orjson.dumps({**mark._asdict(), "places": _stretches(mark.places)})


def decode_mark(value: bytes | None) -> Mark | None:
    """The mark in a record of the audit; None for one of something else, or that cannot be read."""
    found = _read(value)
    return None if found is None else found[0]._replace(places=tuple(_places(found[1])))


class Marks:
    """All marks, by place."""

    def __init__(self) -> None:
        self._by: dict[int, list[tuple[int, int, Mark]]] = {}  # partition → (first, last, mark without places)
        self._reach: dict[int, int] = {}  # partition → the longest stretch

    def note(self, value: bytes | None) -> list[tuple[int, int, int]]:
        """Take in a record of the audit; the stretches that it marks: (partition, first, last)."""
        found = _read(value)
        if found is None or found[0].action == BEGUN:
            return []
        mark, stretches = found
        for p, first, last in stretches:
            insort(self._by.setdefault(p, []), (first, last, mark))
            self._reach[p] = max(last - first, self._reach.get(p, 0))
        return stretches

    def of(self, place: Place, written: int) -> Mark | None:
        """The last mark of the record that was written there at that instant (µs)."""
        p, offset = place
        known = self._by.get(p, [])
        at = bisect_right(known, offset, key=lambda each: each[0])
        found: Mark | None = None
        while at > 0 and known[at - 1][0] >= offset - self._reach[p]:
            at -= 1
            _, last, mark = known[at]
            if last >= offset and mark.at >= written and (found is None or mark.at > found.at):
                found = mark
        return found


def _read(value: bytes | None) -> tuple[Mark, list[tuple[int, int, int]]] | None:
    try:
        told: Any = orjson.loads(value or b"")
        mark = Mark(told["action"], told["at"], told["by"], told["reason"], ())
        stretches = [(int(p), first, last) for p, each in told["places"].items() for first, last in each]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    sound = all(type(n) is int and n >= 0 for each in stretches for n in each) and type(mark.at) is int
    sound = sound and mark.action in (BEGUN, REPLAYED, DROPPED) and all(isinstance(each, str) for each in mark[2:4])
    return (mark, stretches) if sound else None


def _stretches(places: Iterable[Place]) -> dict[str, list[list[int]]]:
    found: dict[str, list[list[int]]] = {}
    for p, offset in sorted(set(places)):
        of = found.setdefault(str(p), [])
        if of and of[-1][1] == offset - 1:
            of[-1][1] = offset
        else:
            of.append([offset, offset])
    return found


def _places(stretches: Iterable[tuple[int, int, int]]) -> Iterable[Place]:
    for p, first, last in stretches:
        yield from ((p, offset) for offset in range(first, last + 1))
