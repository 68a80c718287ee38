"""Where the rows of a list are kept in a mailer, behind one interface: in memory, or in a file that several read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

Offsets = Mapping[int, int]  # partition of the list → offset of the next record to read
Notes = Mapping[bytes, bytes]  # what else the readers of a file must know, by name (`known`)
Pair = tuple[bytes, bytes | None]  # key and value of a record
Settle = Callable[[list[Pair]], Mapping[bytes, bytes]]  # records in the order of arrival → the rows that stand


class ReplicaFault(Exception):
    """The store cannot be used: closed, broken, or no room. The text is one line without keys."""


class Origin(NamedTuple):
    """Which incarnation of which topic the offsets belong to. One made anew counts from 0 again."""

    cluster: str
    topic: str
    topic_id: str
    partitions: int


class Replica(Protocol):
    """Rows by subject key, and how far the list was read: both change together or not at all.

    Laws: `get` after `apply` answers the row applied; after a crash at any point the offsets are never ahead of the
    rows. (Behind is harmless: a record read twice settles to the same row.)
    """

    def open(self, origin: Origin) -> Offsets:
        """Where to go on reading; empty when nothing of that origin is kept, and then there are no rows either."""

    def get(self, key: bytes) -> bytes | None:
        """The row of a key, None when there is none. May be called from any thread. Errors: ReplicaFault."""

    def apply(self, rows: Mapping[bytes, bytes], offsets: Offsets) -> None:
        """Store rows and the offsets behind them. From one thread at a time. Errors: ReplicaFault."""

    def clear(self) -> None:
        """Forget everything: the offsets are no longer in the topic."""

    def __len__(self) -> int:
        """How many keys have a row."""

    def close(self) -> None:
        """Let go of files; the last use."""


@runtime_checkable
class SharedReplica(Replica, Protocol):
    """A store that other processes read. It holds notes beside the rows, and takes in a long list sorted."""

    def write(self, rows: Mapping[bytes, bytes], offsets: Offsets, notes: Notes) -> None:
        """As `apply`, and notes with it. Errors: ReplicaFault."""

    def spool(self, pairs: list[Pair]) -> None:
        """Put records aside, in the order of arrival; none of them is to be had until `fill`. Errors: ReplicaFault."""

    def fill(self, settle: Settle, offsets: Offsets) -> None:
        """Store what was put aside, of each key what `settle` says, and the offsets last. Errors: ReplicaFault."""

    def reclaim(self) -> None:
        """Let go of what readers that were killed held on to; to be called now and then. Errors: ReplicaFault."""


class MemoryReplica:
    """Rows in a dict: loaded from the topic when a mailer starts, kept while it runs."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._offsets: dict[int, int] = {}
        self._origin: Origin | None = None

    def open(self, origin: Origin) -> Offsets:
        """See `Replica`."""
        if origin != self._origin:
            self.clear()
            self._origin = origin
        return dict(self._offsets)

    def get(self, key: bytes) -> bytes | None:
        """See `Replica`."""
        return self._rows.get(key)

    def apply(self, rows: Mapping[bytes, bytes], offsets: Offsets) -> None:
        """See `Replica`."""
        self._rows.update(rows)
        self._offsets.update(offsets)

    def clear(self) -> None:
        """See `Replica`."""
        self._rows, self._offsets, self._origin = {}, {}, None

    def __len__(self) -> int:
        return len(self._rows)

    def close(self) -> None:
        """See `Replica`."""
        self.clear()
