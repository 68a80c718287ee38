"""Sends, and the facts of their subject keys, put together by key on disk: memory stays the same for any number.

SQLite's own temporary database: no name, deleted before the first write, gone with the process however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from consent_stream.domain.facts import Fact
from consent_stream.inspection.late import Case, case_of
from consent_stream.wire.avro import WireError
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.send import Send, decode_send

CACHE_KIB = 32 * 1024
_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE sends (kase BLOB, value BLOB);
    CREATE TABLE wanted (key BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE facts (key BLOB, value BLOB);
    CREATE TABLE late (at INTEGER, sender TEXT, late INTEGER, line BLOB);
"""


class Evidence:
    """First the sends, then the facts, then the judgement of each."""

    def __init__(self) -> None:
        self.unreadable = 0  # facts of wanted keys that this version cannot read: any of them may be a withdrawal
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(f"PRAGMA cache_size = -{CACHE_KIB};" + _TABLES)
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add_sends(self, sends: Iterable[tuple[Send, bytes]]) -> None:
        """Messages to be judged, each with the bytes of its record."""
        rows, keys = [], []
        for send, value in sends:
            rows.append((_sorted_by(case_of(send)), value))
            keys += [(key,) for key in (*send.keys, *send.bases)]
        self._db.executemany("INSERT INTO sends VALUES (?, ?)", rows)
        self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", keys)

    def add_facts(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Records of the ledger; those of other keys are left out."""
        wanted = "INSERT INTO facts SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM wanted WHERE key = ?1)"
        self._db.executemany(wanted, records)

    def cases(self) -> Iterator[tuple[Case, list[Fact], Iterator[Send]]]:
        """Each case with the facts of its keys and its messages, which must be taken before the next case."""
        self._db.execute("CREATE INDEX facts_by_key ON facts (key)")
        rows = self._db.execute("SELECT kase, value FROM sends ORDER BY kase")
        for _, group in groupby(rows, itemgetter(0)):
            sends = (decode_send(value) for _, value in group)
            first = next(sends)
            yield case_of(first), self._facts((*first.keys, *first.bases)), _chained(first, sends)

    def _facts(self, keys: tuple[bytes, ...]) -> list[Fact]:
        found = []
        for key in keys:
            for (value,) in self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)):
                try:
                    found.append(decode_fact(key, value or b""))
                except WireError:
                    self.unreadable += 1
        return found

    def add_late(self, at: int, sender: str, late: int | None, line: dict[str, Any]) -> None:
        """One finding. Units: `at`, `late` microseconds; None for a message without permission."""
        self._db.execute("INSERT INTO late VALUES (?, ?, ?, ?)", (at, sender, late, orjson.dumps(line)))

    def lines(self) -> Iterator[dict[str, Any]]:
        """The findings in the order in which the messages were handed over."""
        for (line,) in self._db.execute("SELECT line FROM late ORDER BY at"):
            yield orjson.loads(line)

    def quantile(self, sender: str | None, share: float) -> int | None:
        """By how much that share of the late messages is late at most (nearest rank), of one sender or of all."""
        who, names = ("", ()) if sender is None else (" AND sender = ?", (sender,))
        where = f"FROM late WHERE late IS NOT NULL{who}"
        ((count,),) = self._db.execute(f"SELECT count(*) {where}", names)
        rank = max(0, -int(-share * count // 1) - 1)
        row = self._db.execute(f"SELECT late {where} ORDER BY late LIMIT 1 OFFSET ?", (*names, rank)).fetchone()
        return None if row is None else int(row[0])


def _sorted_by(case: Case) -> bytes:
    return orjson.dumps([each if isinstance(each, str | bool) else [key.hex() for key in each] for each in case])


def _chained(first: Send, rest: Iterator[Send]) -> Iterator[Send]:
    yield first
    yield from rest
