"""Rows in LMDB, as the one who follows Kafka writes them: crash-safe, mapped by every process that reads them.

Rows, offsets and notes of a batch are written in one transaction. It is not forced to disk, for a gate takes in several
a second: after SIGKILL the kernel still has every page, and after a power cut the file is not trusted (`lmdb_file`) but
built anew from the topic. Source: LMDB `MDB_NOSYNC`.

Rows are packed (`packing`), and a cold start goes through a `Spool`, so that pages are written once and full: 10 bytes
of LMDB's own and 19 of key an entry beside the packed row.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, cast
from weakref import WeakSet

import lmdb
import orjson

from consent_stream.gate.lmdb_file import (
    DICTIONARY,
    FORMAT,
    MAP_BYTES,
    META,
    OFFSETS,
    ORIGIN,
    ROWS,
    TORN,
    claim,
    open_env,
    remove,
    seal,
    trusted,
)
from consent_stream.gate.packing import ROWS_TO_LEARN, Packing
from consent_stream.gate.replica import Notes, Offsets, Origin, Pair, ReplicaFault, Settle
from consent_stream.gate.spool import Spool


class LmdbReplica:
    """Rows in the directory `path`, made when missing; a file that is torn, foreign or of another boot starts empty.

    map_bytes: the most it may ever hold; on a 32-bit machine choose less than 1 GiB.
    Errors: ReplicaFault from the constructor when the directory cannot be used.
    """

    def __init__(self, path: Path, *, map_bytes: int = MAP_BYTES) -> None:
        self._env: lmdb.Environment
        self._packing: Packing
        self._path = path
        self._map_bytes = map_bytes
        self._spool: Spool | None = None
        self._taught = False  # whether a dictionary was looked for among rows that came one by one
        self._lock = _lock(path)
        try:
            with self._faults():
                self._begin()
        except ReplicaFault:
            self._lock.close()
            raise
        _EVERY.add(self)

    def open(self, origin: Origin) -> Offsets:
        """See `Replica`."""
        wanted = orjson.dumps([FORMAT, *origin])
        with self._faults():
            try:
                with self._env.begin(db=self._meta) as txn:
                    known, kept = txn.get(ORIGIN), txn.get(OFFSETS)
            except lmdb.PanicError:  # a write of the header failed, when the disk was full: nothing is known any more
                self._env.close()
                remove(self._path)
                self._begin()
                known = kept = None
            self._env.reader_check()  # processes that were killed hold on to pages
            if known == wanted and kept is not None:
                return {int(p): offset for p, offset in orjson.loads(kept).items()}
            self.clear()
            with self._env.begin(write=True) as txn:
                txn.put(ORIGIN, wanted, db=self._meta)
        return {}

    def get(self, key: bytes) -> bytes | None:
        """See `Replica`."""
        try:
            with self._env.begin(db=self._rows) as txn:
                stored: bytes | None = txn.get(key)
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._path}: {error}") from error
        return None if stored is None else self._packing.unpack(stored)

    def apply(self, rows: Mapping[bytes, bytes], offsets: Offsets) -> None:
        """See `Replica`."""
        self.write(rows, offsets, {})

    def write(self, rows: Mapping[bytes, bytes], offsets: Offsets, notes: Notes) -> None:
        """See `SharedReplica`."""
        with self._faults(), self._env.begin(write=True) as txn:
            if rows:  # in order: neighbours share pages
                txn.cursor(self._rows).putmulti(self._packing.pack(rows))
            self._put_meta(txn, offsets, notes)
            learnt = self._learn(txn) if rows and not (self._packing.dictionary or self._taught) else None
        if learnt is not None:
            self._packing = learnt

    def reclaim(self) -> None:
        """See `SharedReplica`."""
        with self._faults():
            self._env.reader_check()

    def spool(self, pairs: list[Pair]) -> None:
        """See `SharedReplica`."""
        with self._faults():
            if self._spool is None:
                self._spool = Spool(self._path)
            add = self._spool.add
            for key, value in pairs:
                add(key, value)

    def fill(self, settle: Settle, offsets: Offsets) -> None:
        """See `SharedReplica`."""
        if self._spool is None:
            self.apply({}, offsets)
            return
        spool, self._spool = self._spool, None
        with self._faults():
            try:
                rows: dict[bytes, bytes] = {}
                for pairs in spool.bins():
                    rows.update(settle(pairs))
                    if len(rows) >= ROWS_TO_LEARN:
                        self._append(rows)
                        rows = {}
                self._append(rows)
                self.apply({}, offsets)
            finally:
                spool.close()

    def clear(self) -> None:
        """See `Replica`."""
        self._drop_spool()
        with self._faults(), self._env.begin(write=True) as txn:
            txn.drop(self._meta, delete=False)
            txn.drop(self._rows, delete=False)
        self._packing, self._taught = Packing(), False

    def __len__(self) -> int:
        try:
            with self._env.begin() as txn:
                return int(txn.stat(self._rows)["entries"])
        except lmdb.Error:  # closed
            return 0

    def close(self) -> None:
        """Everything to disk, then the mark that says so: the next start is warm, whatever happens to the machine."""
        if isinstance(self._env, _Gone):
            return
        self._drop_spool()
        try:
            with self._faults():
                self._env.sync(True)
                self._env.close()
                seal(self._path)
        finally:
            self._env.close()
            self._lock.close()

    def forked(self) -> None:
        """In a child: the file and its lock are the parent's alone (LMDB, "Caveats": never use an environment across
        fork). It is left open, for closing it would take the parent's place in the table of readers."""
        self._lock.close()
        self._inherited, self._env = self._env, cast(lmdb.Environment, _Gone())

    def _begin(self) -> None:
        if not trusted(self._path):
            remove(self._path)
        try:
            self._map()
        except TORN:
            remove(self._path)
            self._map()
        claim(self._path)

    def _map(self) -> None:
        self._env = open_env(self._path, readonly=False, map_bytes=self._map_bytes)
        self._rows = self._env.open_db(ROWS)
        self._meta = self._env.open_db(META)
        with self._env.begin(db=self._meta) as txn:
            self._packing = Packing(txn.get(DICTIONARY) or b"")

    def _put_meta(self, txn: lmdb.Transaction[bytes], offsets: Offsets, notes: Notes) -> None:
        if offsets:
            known = orjson.loads(txn.get(OFFSETS, db=self._meta) or b"{}")
            known.update({str(p): offset for p, offset in offsets.items()})
            txn.put(OFFSETS, orjson.dumps(known), db=self._meta)
        for name, note in notes.items():
            txn.put(name, note, db=self._meta)

    def _append(self, rows: Mapping[bytes, bytes]) -> None:
        if not self._packing.dictionary:
            self._packing = Packing.learn(list(islice(rows.values(), ROWS_TO_LEARN)))
        with self._env.begin(write=True) as txn:
            txn.put(DICTIONARY, self._packing.dictionary, db=self._meta)
            txn.cursor(self._rows).putmulti(self._packing.pack(rows), append=True)

    def _learn(self, txn: lmdb.Transaction[bytes]) -> Packing | None:
        """A list that began small has grown: rows from now on are packed."""
        if txn.stat(self._rows)["entries"] < ROWS_TO_LEARN:
            return None
        self._taught = True
        learnt = Packing.learn([row for _, row in islice(txn.cursor(self._rows), ROWS_TO_LEARN)])
        txn.put(DICTIONARY, learnt.dictionary, db=self._meta)
        return learnt

    def _drop_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except lmdb.MapFullError as error:
            raise ReplicaFault(f"{self._path}: more rows than the {self._map_bytes >> 20} MiB it may hold") from error
        except (lmdb.Error, OSError) as error:
            text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise ReplicaFault(f"{self._path}: {text}") from error


class _Gone:
    """Stands for an environment that is another process's."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        raise lmdb.Error("a forked process cannot go on with its parent's file")


_EVERY: WeakSet[LmdbReplica] = WeakSet()


def _in_child() -> None:
    for each in list(_EVERY):
        each.forked()


os.register_at_fork(after_in_child=_in_child)


def _lock(path: Path) -> IO[bytes]:
    """One follower a directory: the kernel lets go of the lock however its process ends."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / "follower.lock").open("wb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        told = f"{path}: another gate follows Kafka into it; to read what it writes, say follow=False"
        raise ReplicaFault(told) from error
    except OSError as error:
        raise ReplicaFault(f"{path}: {error.strerror}") from error
    return file
