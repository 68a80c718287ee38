"""Two tables folded side by side in one temporary file: facts as they stand, and the same events qualified anew.

What both have in common is folded once, into `common`; `before` and `after` hold only rows that go beyond it. It is the
state stage's own fold (`topology.fold`) with its derived facts fed back. By the laws of RULES §11 rows do not depend on
the order of facts, so what is common may go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import lmdb

from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.topology.fold import Folder
from consent_stream.wire.keys import SUBJECT_KEY_BYTES
from consent_stream.wire.ledger import decode_fact, encode_fact

COMMON, BEFORE, AFTER = "common", "before", "after"
SIDES = (COMMON, BEFORE, AFTER)
WAITING = b"waiting"
SLICE = 2_000
MAP_BYTES = 1 << 40  # address space; the file is as large as what is in it


class Pair(NamedTuple):
    """The rows of one key on both sides; None where it has none. Equal rows are one object."""

    key: bytes
    before: bytes | None
    after: bytes | None


class Tables:
    """A context manager. Facts that are common must all be in before those of one side are folded.

    Errors: lmdb.Error, OSError when the directory of temporary files has no room.
    """

    def __init__(self, policy: Policy) -> None:
        # Only how lists are written hangs on the policy, and no list is.
        self._folders = {side: Folder(policy) for side in SIDES}
        self._undo = ExitStack()
        self._waiting = 0

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            folder = undo.enter_context(TemporaryDirectory(prefix="consent-stream-what-if-"))
            self._env = lmdb.open(
                str(Path(folder) / "rows"), map_size=MAP_BYTES, max_dbs=len(SIDES) + 1, sync=False, writemap=False
            )
            undo.callback(self._env.close)
            self._rows = {side: self._env.open_db(side.encode()) for side in SIDES}
            self._kept = self._env.open_db(WAITING)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def keep(self, facts: Sequence[Fact]) -> None:
        """Facts of the side `before`, put off until all that is common is folded."""
        with self._env.begin(write=True, db=self._kept) as txn:
            for fact in facts:
                txn.put(self._waiting.to_bytes(8, "big"), fact.key + encode_fact(fact), append=True)
                self._waiting += 1

    def fold_kept(self, told: Callable[[int, int], None]) -> None:
        """Fold what was put off. told: as it goes, with (facts folded, facts there are)."""
        done = 0
        while piece := self._kept_from(done):
            self.fold(BEFORE, piece)
            done += len(piece)
            told(done, self._waiting)

    def _kept_from(self, first: int) -> list[Fact]:
        with self._env.begin(db=self._kept) as txn, txn.cursor() as cursor:
            if not cursor.set_range(first.to_bytes(8, "big")):
                return []
            values = islice(cursor.iternext(keys=False), SLICE)
            return [decode_fact(value[:SUBJECT_KEY_BYTES], value[SUBJECT_KEY_BYTES:]) for value in values]

    def fold(self, side: str, facts: Sequence[Fact]) -> None:
        """Fold facts, and all that follows from them, into one side."""
        folder, piece = self._folders[side], list(facts)
        while piece:
            waiting: list[Fact] = []
            with self._env.begin(write=True) as txn:
                for at in range(0, len(piece), SLICE):
                    part = piece[at : at + SLICE]
                    keys = dict.fromkeys(fact.key for fact in part)
                    effects = folder.fold(
                        [(0, fact) for fact in part], [(key, self._row(txn, side, key)) for key in keys]
                    )
                    for key, row in effects.rows.items():
                        txn.put(key, row, db=self._rows[side])
                    waiting += [decode_fact(key, value) for key, value in effects.derived]
            piece = waiting

    def _row(self, txn: Any, side: str, key: bytes) -> bytes | None:
        row: bytes | None = txn.get(key, db=self._rows[side])
        return txn.get(key, db=self._rows[COMMON]) if row is None and side != COMMON else row

    def count(self) -> int:
        """How many keys there are, or somewhat more."""
        with self._env.begin() as txn:
            return sum(txn.stat(db)["entries"] for db in self._rows.values())

    def pairs(self) -> Iterator[Pair]:
        """Every key that has a row on either side, each once."""
        with self._env.begin() as txn:
            for at, side in enumerate(SIDES):
                seen = [self._rows[other] for other in SIDES[:at]]
                for key in txn.cursor(self._rows[side]).iternext(values=False):
                    if not any(txn.get(key, db=other) is not None for other in seen):
                        before, after = self._row(txn, BEFORE, key), self._row(txn, AFTER, key)
                        yield Pair(key, before, before if before == after else after)
