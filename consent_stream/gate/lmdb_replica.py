"""Rows in LMDB: memory-mapped, crash-safe, shared by every process that maps the file, warm at the next start.

Rows and offsets are written in one transaction. A transaction is not forced to disk, for a gate takes in several a
second: after SIGKILL the kernel still has every page, and after a power cut the file is not trusted (`boot`) but built
anew from the topic. Source: LMDB `MDB_NOSYNC`; boot id: proc(5), /proc/sys/kernel/random/boot_id.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import lmdb
import orjson

from consent_stream.gate.replica import Offsets, Origin, ReplicaFault

FORMAT = 1  # of this file; another one is built anew
MAP_BYTES = 64 << 30  # address space, not disk: the file grows as it needs
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ORIGIN, OFFSETS, BOOT = b"origin", b"offsets", b"boot"
CLEAN = b"clean"
TORN = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.VersionMismatchError)


class LmdbReplica:
    """Rows in the directory `path`, made when missing; a file that is torn, foreign or of another boot starts empty.

    map_bytes: the most it may ever hold; on a 32-bit machine choose less than 1 GiB.
    Errors: ReplicaFault from the constructor when the directory cannot be used.
    """

    def __init__(self, path: Path, *, map_bytes: int = MAP_BYTES) -> None:
        self._path = path
        self._map_bytes = map_bytes
        self._lock = _lock(path)
        self._boot = BOOT_ID.read_bytes().strip() if BOOT_ID.exists() else b""
        try:
            self._map()
            self._check()
        except (
            lmdb.CorruptedError,
            lmdb.InvalidError,
            lmdb.PageNotFoundError,
            lmdb.PanicError,
            lmdb.VersionMismatchError,
        ):
            self._rebuild()
        except (lmdb.Error, OSError) as error:
            self._lock.close()
            raise ReplicaFault(f"{path}: {error}") from error

    def open(self, origin: Origin) -> Offsets:
        """See `Replica`."""
        wanted = orjson.dumps([FORMAT, *origin])
        try:
            with self._env.begin(write=True) as txn:
                txn.put(BOOT, self._boot, db=self._meta)
            self._env.sync(True)  # on disk before the first write that is not
            with self._env.begin() as txn:
                known, kept = txn.get(ORIGIN, db=self._meta), txn.get(OFFSETS, db=self._meta)
            if known == wanted:
                return {int(p): offset for p, offset in orjson.loads(kept or b"{}").items()}
            self.clear()
            with self._env.begin(write=True) as txn:
                txn.put(ORIGIN, wanted, db=self._meta)
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._path}: {error}") from error
        return {}

    def get(self, key: bytes) -> bytes | None:
        """See `Replica`."""
        try:
            with self._env.begin(db=self._rows) as txn:
                row: bytes | None = txn.get(key)
                return row
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._path}: {error}") from error

    def apply(self, rows: Mapping[bytes, bytes], offsets: Offsets) -> None:
        """See `Replica`."""
        try:
            with self._env.begin(write=True) as txn:
                txn.cursor(self._rows).putmulti(sorted(rows.items()))  # in order: neighbours share pages
                known = orjson.loads(txn.get(OFFSETS, db=self._meta) or b"{}")
                known.update({str(p): offset for p, offset in offsets.items()})
                txn.put(OFFSETS, orjson.dumps(known), db=self._meta)
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._path}: {error}") from error

    def clear(self) -> None:
        """See `Replica`."""
        try:
            with self._env.begin(write=True) as txn:
                txn.delete(OFFSETS, db=self._meta)
                txn.delete(ORIGIN, db=self._meta)
                txn.drop(self._rows, delete=False)
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._path}: {error}") from error

    def __len__(self) -> int:
        try:
            with self._env.begin() as txn:
                return int(txn.stat(self._rows)["entries"])
        except lmdb.Error:  # closed
            return 0

    def close(self) -> None:
        """Everything to disk, then the mark that says so: the next start is warm, whatever happens to the machine."""
        try:
            self._env.sync(True)
            with self._env.begin(write=True) as txn:
                txn.put(BOOT, CLEAN, db=self._meta)
            self._env.sync(True)
        except lmdb.Error as error:
            raise ReplicaFault(f"{self._path}: {error}") from error
        finally:
            self._env.close()
            self._lock.close()

    def _map(self) -> None:
        self._env = lmdb.open(
            str(self._path / "rows"),
            map_size=self._map_bytes,
            max_dbs=2,
            max_readers=1024,
            sync=False,  # see the head of this module
            readahead=False,  # look-ups are random
            mode=0o600,  # of a file that tells whose keys are on a list
        )
        # Before a page is looked at: one that the map has and the file lacks is a SIGBUS, not an error.
        pages = self._env.info()["last_pgno"] + 1
        if (self._path / "rows" / "data.mdb").stat().st_size < pages * self._env.stat()["psize"]:
            raise lmdb.CorruptedError("shorter than it says")
        self._rows = self._env.open_db(b"rows")
        self._meta = self._env.open_db(b"meta")

    def _check(self) -> None:
        """Errors: lmdb.CorruptedError when the last writer's pages may not have reached the disk."""
        with self._env.begin() as txn:
            boot = txn.get(BOOT, db=self._meta)
        if boot is not None and boot not in (CLEAN, self._boot or None):
            raise lmdb.CorruptedError("written before the machine went down")

    def _rebuild(self) -> None:
        env = getattr(self, "_env", None)
        if env is not None:
            env.close()
        try:
            shutil.rmtree(self._path / "rows")
            self._map()
        except (lmdb.Error, OSError) as error:
            raise ReplicaFault(f"{self._path}: {error}") from error


def _lock(path: Path) -> IO[bytes]:
    """One follower a directory: the kernel lets go of the lock however its process ends."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / "follower.lock").open("wb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ReplicaFault(f"{path}: another gate follows Kafka into it") from error
    except OSError as error:
        raise ReplicaFault(f"{path}: {error.strerror}") from error
    return file
