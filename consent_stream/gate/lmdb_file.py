"""The LMDB file of a list: where it stands, how it is opened, and whether its pages may be looked at.

LMDB trusts the pages it maps: a torn file is a SIGBUS or worse, not an error. So before one is looked at, the file
1. is as long as its own header says;
2. is of this boot (every page that was written is in the kernel, whatever became of the writer), or
3. is sealed: its follower ended cleanly, forced everything to disk and wrote down length and checksum (`seal`).
Anything else is built anew from the topic, as a new file: a reader that still maps the old one is not disturbed, and
sees by the inode that there is a new one.
"""

from __future__ import annotations

import mmap
import os
import shutil
import zlib
from pathlib import Path

import lmdb
import orjson

from consent_stream.gate.clock import boot_id

FORMAT = 2  # of this file; another one is built anew
MAP_BYTES = 64 << 30  # address space, not disk: the file grows as it needs
MOST_READERS = 1024
ROWS, META = b"rows", b"meta"  # the two tables: rows by key, notes by name
ORIGIN, OFFSETS, DICTIONARY = b"origin", b"offsets", b"dictionary"
TORN = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.VersionMismatchError)
CHUNK = 16 << 20


def folder(store: Path) -> Path:
    """The LMDB environment in a store."""
    return store / "rows"


def identity(store: Path) -> tuple[int, int] | None:
    """Which file stands there now; None when there is none."""
    try:
        found = (folder(store) / "data.mdb").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_env(store: Path, *, readonly: bool, map_bytes: int = MAP_BYTES) -> lmdb.Environment:
    """Errors: OSError, lmdb.Error; those in `TORN` when the file must not be used."""
    if not readonly:
        folder(store).mkdir(mode=0o700, exist_ok=True)
    env = lmdb.open(
        str(folder(store)),
        map_size=map_bytes,
        max_dbs=2,
        max_readers=MOST_READERS,
        readonly=readonly,
        create=not readonly,
        sync=False,  # see `lmdb_replica`
        readahead=False,  # look-ups are random
        mode=0o600,  # of a file that tells whose keys are on a list
    )
    try:
        # Before a page is looked at: one that the map has and the file lacks is a SIGBUS, not an error.
        pages = env.info()["last_pgno"] + 1
        if (folder(store) / "data.mdb").stat().st_size < pages * env.stat()["psize"]:
            raise lmdb.CorruptedError("shorter than it says")
    except BaseException:
        env.close()
        raise
    return env


def remove(store: Path) -> None:
    """Take the file away, to make another. Errors: OSError."""
    shutil.rmtree(folder(store))


def trusted(store: Path) -> bool:
    """Whether the file's pages may be looked at: sealed and unchanged, or written in this boot. True when none."""
    data = folder(store) / "data.mdb"
    if not data.exists():
        return True
    told = _told(store)
    if told is None:
        return False
    if "checksum" in told:
        size = data.stat().st_size
        return 0 < size == told["bytes"] and told["checksum"] == _checksum(data)
    return told["boot"] == boot_id() != ""


def claim(store: Path) -> None:
    """From now on the file is worth something in this boot alone."""
    _tell(store, {"boot": boot_id()})


def seal(store: Path) -> None:
    """The file is closed and on disk: it may be trusted after another boot too."""
    data = folder(store) / "data.mdb"
    _tell(store, {"bytes": data.stat().st_size, "checksum": _checksum(data)})


def _tell(store: Path, table: dict[str, str | int]) -> None:
    path, new = folder(store) / "seal", folder(store) / "seal.new"
    with new.open("wb") as file:
        file.write(orjson.dumps({"format": FORMAT, **table}))
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _told(store: Path) -> dict[str, str | int] | None:
    try:
        table = orjson.loads((folder(store) / "seal").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    whole = isinstance(table, dict) and table.get("format") == FORMAT and table.keys() & {"boot", "checksum"}
    return table if whole and ("boot" in table or "bytes" in table) else None


def _checksum(path: Path) -> int:
    """CRC-32: against accidents, and a gigabyte takes a second. (Who may write the file may do worse.)"""
    total = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for start in range(0, len(mapped), CHUNK):
            with memoryview(mapped)[start : start + CHUNK] as part:
                total = zlib.crc32(part, total)
    return total
