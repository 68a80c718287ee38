"""How many keys stand how on the lists now: the newest record of each key, counted. Memory does not grow with keys.

A list holds several records of a key until it is compacted. Which one stands is kept by key on disk, in SQLite's own
temporary database: no name, deleted before the first write, gone with the process however it ends.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from consent_stream.domain.nodes import ANY
from consent_stream.domain.registers import Registers
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import decode_entry

CACHE_KIB = 32 * 1024
UNREADABLE = "UNREADABLE"  # also a null: gates deny such a key
# As a gate has it (`gate.rows`): the greater stands, equal ones are equal; what cannot be read marks a row, until a
# readable one comes that is as new.
_KEEP_GREATER = (
    "INSERT INTO rows VALUES (?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE SET generation = excluded.generation, "
    "version = excluded.version, kind = excluded.kind, sound = 1 "
    "WHERE (excluded.generation, excluded.version) >= (generation, version)"
)
_MARK = "INSERT INTO rows VALUES (?, -1, -1, ?, 0) ON CONFLICT (key) DO UPDATE SET sound = 0"


class Kind(NamedTuple):
    """All of a record that is counted. restricted, granted: purposes of which it holds a restriction, or a grant."""

    tenant: str
    status: str
    reasons: tuple[str, ...] = ()
    restricted: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()


BROKEN = Kind("", UNREADABLE)


@dataclass
class Tally:
    """Of one tenant on one list. What is counted are keys; one key may have several reasons and purposes."""

    keys: int = 0
    status: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    restricted: Counter[str] = field(default_factory=Counter)
    granted: Counter[str] = field(default_factory=Counter)

    def add(self, kind: Kind, count: int) -> None:
        """So many keys of a kind."""
        self.keys += count
        self.status[kind.status] += count
        for counter, names in (
            (self.reasons, kind.reasons),
            (self.restricted, kind.restricted),
            (self.granted, kind.granted),
        ):
            for name in names:
                counter[name] += count

    def fields(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "keys": self.keys,
            "status": dict(sorted(self.status.items())),
            "reasons": dict(self.reasons.most_common()),
            "purposes": {
                purpose: {"restricted": self.restricted[purpose], "granted": self.granted[purpose]}
                for purpose in sorted({*self.restricted, *self.granted})
            },
        }


class RowCount:
    """The records of one list, in any order; each key counts once."""

    def __init__(self) -> None:
        self._kinds: dict[Kind, int] = {}
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            f"PRAGMA cache_size = -{CACHE_KIB}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE rows (key BLOB PRIMARY KEY, generation INTEGER, version INTEGER, kind INTEGER, sound INTEGER)"
            " WITHOUT ROWID;"
        )
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Keys and values as they lie in the topic, in their order."""
        for key, value in records:
            if key == HEARTBEAT_KEY:
                continue
            try:
                found = decode_entry(value or b"")
            except WireError:
                self._db.execute(_MARK, (key or b"", self._number(BROKEN)))
                continue
            kind = Kind(found.tenant, found.status, found.reasons, *purposes_of(found.registers))
            row = (key or b"", found.generation, found.version, self._number(kind))
            self._db.execute(_KEEP_GREATER, row)

    def _number(self, kind: Kind) -> int:
        return self._kinds.setdefault(kind, len(self._kinds))

    def tallies(self) -> dict[str, Tally]:
        """By tenant; the empty one has the keys whose record cannot be read."""
        kinds = list(self._kinds)
        found: dict[str, Tally] = {}
        for number, sound, count in self._db.execute("SELECT kind, sound, count(*) FROM rows GROUP BY kind, sound"):
            kind = kinds[number] if sound else Kind(kinds[number].tenant, UNREADABLE)
            found.setdefault(kind.tenant, Tally()).add(kind, count)
        return found


def purposes_of(reg: Registers) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Purposes of which there is a restriction, and of which there is a grant, cleared or not; `*` is all of them."""
    restricted = {"all" if slot[1].purpose == ANY else slot[1].purpose for slot in reg.restrictions}
    granted = {"all" if terms[0].purpose == ANY else terms[0].purpose for terms in reg.groups}
    return tuple(sorted(restricted)), tuple(sorted(granted))


def total(tallies: Iterable[Tally]) -> Tally:
    """Of several tenants."""
    whole = Tally()
    for each in tallies:
        whole.keys += each.keys
        for name in ("status", "reasons", "restricted", "granted"):
            getattr(whole, name).update(getattr(each, name))
    return whole
