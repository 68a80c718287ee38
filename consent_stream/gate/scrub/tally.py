"""What a scrub counts, in fixed memory."""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

BROKEN = "broken_line"
SHOWN = 100  # broken lines that are named in the report
AT_ONCE = 1_000_000  # addresses that are compared in memory
_PIECE = 65_536


class Tally:
    """Counts of one scrub. reasons: rows by each reason; a row with two counts at both.

    duplicates: rows whose address, capitals and space around it aside, stood in an earlier row.
    """

    def __init__(self) -> None:
        self.kept = self.broken = self.blank = self.removed = 0
        self.broken_lines: list[int] = []
        self._why: Counter[tuple[str, ...]] = Counter()
        # Of each address a salted hash of 8 bytes (PEP 456), in a file without a name: a list may be of any length.
        self._seen = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
        self._count = 0

    def rows(self, addresses: Sequence[str], reasons: Sequence[tuple[str, ...]]) -> None:
        """Rows of which each was kept (no reason) or removed."""
        told = Counter(reasons)
        kept = told.pop((), 0)
        self.kept += kept
        self.removed += len(reasons) - kept
        self._why += told
        array("q", [hash(each.strip().lower()) for each in addresses]).tofile(self._seen)
        self._count += len(addresses)

    def broken_at(self, lines: Sequence[int]) -> None:
        """Lines that are no rows."""
        self.broken += len(lines)
        self.broken_lines += lines[: SHOWN - len(self.broken_lines)]

    def told(self) -> dict[str, object]:
        """For the report: total = kept + removed + broken."""
        why: Counter[str] = Counter()
        for reasons, rows in self._why.items():
            for reason in reasons:
                why[reason] += rows
        if self.broken:
            why[BROKEN] = self.broken
        return {
            "total": self.kept + self.removed + self.broken,
            "kept": self.kept,
            "removed": self.removed,
            "broken": self.broken,
            "blank_lines": self.blank,
            "duplicates": self._count - self._distinct(),
            "reasons": dict(sorted(why.items())),
            "broken_lines": self.broken_lines,
        }

    def close(self) -> None:
        """Forget it all."""
        self._seen.close()

    def _distinct(self) -> int:
        turns = -(-self._count // AT_ONCE)
        return sum(len(set(h for h in self._hashes() if h % turns == turn)) for turn in range(turns))

    def _hashes(self) -> Iterator[int]:
        self._seen.seek(0)
        return chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[array[int]]:
        while piece := self._seen.read(8 * _PIECE):
            yield array("q", piece)
