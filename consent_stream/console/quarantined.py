"""What lies in `consent.quarantine`: counts and coordinates, without a byte of what was sent. Pure.

Headers beginning with `consent-error-` are the worker's own words; all others, and key and value, may hold an address
and are not looked at. The message of an error is left out too, for it may quote.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

KEPT = 200  # newest records whose coordinates are shown
MOST_CODES = 200  # anybody who may write there may invent some
OTHERS = "(others)"
_LONGEST = 60  # characters of a word that a header says


class Record(NamedTuple):
    """One record. at: when it was quarantined (µs). size: bytes of its value. source: topic:partition:offset of what it
    was, as far as its headers tell."""

    place: str
    at: int
    code: str
    stage: str
    source: str
    size: int


class Quarantined:
    """Counters by code and stage, and the newest records."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.newest: deque[Record] = deque(maxlen=KEPT)

    def add(
        self, place: tuple[int, int], at: int, headers: Sequence[tuple[str, bytes | None]], value: bytes | None
    ) -> None:
        """Count one. place: partition and offset in `consent.quarantine`."""
        told = {name: _word(raw) for name, raw in headers if name.startswith("consent-error-")}
        code, stage = told.get("consent-error-code", "?"), told.get("consent-error-stage", "?")
        kind = (code, stage)
        self.counts[kind if kind in self.counts or len(self.counts) < MOST_CODES else (OTHERS, "")] += 1
        source = ":".join(told.get(f"consent-error-{part}", "?") for part in ("topic", "partition", "offset"))
        self.newest.append(Record(f"{place[0]}:{place[1]}", at, code, stage, source, len(value or b"")))

    def by_code(self) -> list[tuple[str, str, int]]:
        """(code, stage, records), the most first."""
        return sorted(((*kind, count) for kind, count in self.counts.items()), key=lambda each: (-each[2], each[:2]))

    def rows(self, code: str | None = None) -> list[Record]:
        """The newest records, the newest first, of one code or of all."""
        return sorted(
            (each for each in self.newest if code in (None, each.code)), key=lambda each: each.at, reverse=True
        )


def _word(raw: bytes | None) -> str:
    """A code, a stage, a topic's name or a number, and nothing that could be an address."""
    text = (raw or b"").decode("ascii", "replace")[:_LONGEST]
    return text if text and all(char.isalnum() or char in "._-" for char in text) else "?"
