"""The file that a follower writes, as any number of other processes read it: a snapshot of rows and notes a question.

1. A reading transaction is one instant of the file (LMDB, MVCC): rows and the notes that speak of them belong together.
2. One environment a file and process, however many gates there are: LMDB must not open a file twice.
3. No environment is open while the process forks, for neither side could go on with it: the parent's place in the
   table of readers would be the child's as well. Both open their own at the next question.
4. A follower that builds the file anew makes another one; who finds its file silent looks whether it is still there.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import lmdb

from consent_stream.gate.lmdb_file import DICTIONARY, META, ROWS, TORN, identity, open_env, trusted
from consent_stream.gate.packing import Packing
from consent_stream.gate.replica import ReplicaFault

FORK_SECONDS = 2.0  # how long a fork may wait for questions that are being answered
RETRY_SECONDS = 0.25  # between two tries to open a file


class Snapshot:
    """The file at one instant, until it is let go of. `number`: which writing of which file."""

    __slots__ = ("_file", "_get", "_txn", "_unpack", "number")

    def __init__(self, file: _File) -> None:
        self._file = file
        self._txn: lmdb.Transaction[bytes] = file.begin(self)
        self._get, self._unpack = self._txn.get, file.packing.unpack
        self.number = (file.serial, self._txn.id())

    def get(self, key: bytes) -> bytes | None:
        """The row of a key, None when there is none. Errors: ReplicaFault."""
        try:
            stored = self._get(key)
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._file.store}: {error}") from error
        return None if stored is None else self._unpack(stored)

    def note(self, name: bytes) -> bytes | None:
        """What the follower noted under a name."""
        return self._get(name, db=self._file.meta)

    def notes(self, prefix: bytes) -> dict[bytes, bytes]:
        """What the follower noted under names that begin so, by the rest of the name."""
        found: dict[bytes, bytes] = {}
        cursor = self._txn.cursor(self._file.meta)
        if cursor.set_range(prefix):
            for name, note in cursor:
                if not name.startswith(prefix):
                    break
                found[name.removeprefix(prefix)] = note
        return found

    def __len__(self) -> int:
        return int(self._txn.stat(self._file.rows)["entries"])

    def __del__(self) -> None:
        txn = getattr(self, "_txn", None)
        if txn is not None:
            txn.abort()
            self._file.busy.discard(id(self))


class _File:
    """One open environment of this process."""

    def __init__(self, store: Path, is_of: tuple[int, int]) -> None:
        global _serial
        _serial += 1
        self.serial, self.store, self.is_of = _serial, store, is_of
        self.users = 0
        self.busy: set[int] = set()  # snapshots that are held
        self._env = open_env(store, readonly=True)
        try:
            self.rows = self._env.open_db(ROWS, create=False)
            self.meta = self._env.open_db(META, create=False)
            with self._env.begin(db=self.meta) as txn:
                self.packing = Packing(txn.get(DICTIONARY) or b"")
        except BaseException:
            self._env.close()
            raise

    def begin(self, snapshot: Snapshot) -> lmdb.Transaction[bytes]:
        """Errors: lmdb.Error when it was closed."""
        self.busy.add(id(snapshot))  # before the look at `_forking`, as a fork looks at them the other way round
        if _forking:
            self.busy.discard(id(snapshot))
            raise lmdb.Error("the process forks")
        try:
            return self._env.begin(db=self.rows)
        except BaseException:
            self.busy.discard(id(snapshot))
            raise

    def close(self) -> None:
        """No snapshot may be held."""
        self._env.close()


_forking = False
_serial = 0
_lock = threading.RLock()  # over what follows, and while the process forks
_open: dict[tuple[int, int], _File] = {}
_kept: list[_File] = []  # what a forked child must neither use nor close


class LmdbReader:
    """A store as another process fills it. It need not be there yet."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._file: _File | None = None
        self._tried = -RETRY_SECONDS
        self._fault = ReplicaFault(f"{store}: no follower has written here yet")
        self._closed = False

    def look(self) -> Snapshot:
        """The store as it is now. Errors: ReplicaFault when there is nothing that may be read; the text says why."""
        try:
            return Snapshot(self._file or self._opened())
        except lmdb.Error:  # closed by a fork, of this thread or another
            try:
                return Snapshot(self._opened())
            except lmdb.Error as error:
                raise ReplicaFault(f"{self._store}: {error}") from error

    def look_again(self) -> None:
        """The file is silent: take another one if there is another one."""
        with _lock:
            now = identity(self._store)
            if self._file is not None and now is not None and now != self._file.is_of:
                self._let_go()
                self._tried = -RETRY_SECONDS

    def get(self, key: bytes) -> bytes | None:
        """The row of a key as it is now, None when there is none. Errors: ReplicaFault."""
        return self.look().get(key)

    def __len__(self) -> int:
        try:
            return len(self.look())
        except ReplicaFault:
            return 0

    def close(self) -> None:
        """Let go of the file; the last use."""
        with _lock:
            self._closed = True
            self._fault = ReplicaFault(f"{self._store}: closed")
            self._let_go()

    def _opened(self) -> _File:
        with _lock:
            if self._file is not None and self._file in _open.values():
                return self._file
            self._file = None
            if self._closed or time.monotonic() - self._tried < RETRY_SECONDS:
                raise self._fault
            try:
                self._file = self._join()
            except ReplicaFault as fault:
                self._fault, self._tried = fault, time.monotonic()
                raise
            return self._file

    def _join(self) -> _File:
        """The file that stands there, opened by whichever gate of this process came first."""
        is_of = identity(self._store)
        if is_of is None:
            raise ReplicaFault(f"{self._store}: no follower has written here yet")
        file = _open.get(is_of)
        if file is None:
            try:
                if not trusted(self._store):
                    raise ReplicaFault(f"{self._store}: broken, or of another boot or version; its follower mends it")
                file = _File(self._store, is_of)
            except TORN as error:
                raise ReplicaFault(f"{self._store}: broken; its follower mends it") from error
            except (lmdb.Error, OSError) as error:
                raise ReplicaFault(f"{self._store}: {error}") from error
            _open[is_of] = file
        file.users += 1
        return file

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None and _open.get(file.is_of) is file:
            file.users -= 1
            if file.users == 0:
                del _open[file.is_of]
                if _idle(file):
                    file.close()


def _idle(file: _File) -> bool:
    """Wait for the questions that are being answered from a file."""
    deadline = time.monotonic() + FORK_SECONDS
    while file.busy and time.monotonic() < deadline:
        time.sleep(0.0005)
    return not file.busy


def _before_fork() -> None:
    global _forking
    _lock.acquire()
    _forking = True
    for is_of, file in list(_open.items()):
        if _idle(file):
            file.close()
            del _open[is_of]


def _in_parent() -> None:
    global _forking
    _forking = False
    _lock.release()


def _in_child() -> None:
    _kept.extend(_open.values())  # which could not be closed: the parent's
    _open.clear()
    _in_parent()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
