"""One partition of a table: a RocksDB whose rows and offsets are always written together."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from .failure import EngineError
from .outbox import FencedOutbox, Outbox

log = logging.getLogger(__name__)

_META = b"\x00meta"
_SUSPECT = "SUSPECT"  # a file beside the store: a read failed its checksum, rebuild at the next start
# RocksDB's own words (env/fs_posix.cc). "lock" alone would not do: "Corruption: block checksum mismatch" has it too.
_LOCKED = ("While lock file", "lock hold by current process")
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
# The store may be healthy where its surroundings are not: rebuilding it would cost time and mend nothing.
_SURROUNDINGS = (*_FULL, "Permission denied", "Read-only file system", "Too many open files")

Row = tuple[bytes, bytes | None]


@dataclass
class Meta:
    """What the rows reflect.

    cluster, topic: whose changelog. changelog: the next offset to restore from (a lower bound is enough: reading newer
    values again changes nothing). written_s: when (Unix time). sources: topic → (id, offset after the last slice).
    rewind: sources to be folded again from their beginning, because the changelog that held their state is gone.
    """

    cluster: str
    topic: str
    changelog: int
    written_s: int
    sources: dict[str, tuple[str, int]] = field(default_factory=dict)
    rewind: list[str] = field(default_factory=list)

    def pack(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def unpack(cls, raw: bytes) -> Meta:
        found: dict[str, Any] = orjson.loads(raw)
        found["sources"] = {topic: (ident, offset) for topic, (ident, offset) in found["sources"].items()}
        return cls(**found)


class StoreMemory:
    """Memory all partitions of a process share, however many there are: one block cache, one bound on write buffers."""

    def __init__(self, cache_mib: int = 192, buffers_mib: int = 192) -> None:
        self._cache = Cache(cache_mib << 20)
        self._buffers = WriteBufferManager(buffers_mib << 20, allow_stall=False)

    def options(self) -> Options:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_write_buffer_size(64 << 20)
        options.set_max_write_buffer_number(3)
        options.set_write_buffer_manager(self._buffers)
        options.set_max_open_files(256)
        options.set_keep_log_file_num(2)
        block = BlockBasedOptions()
        block.set_block_cache(self._cache)
        block.set_bloom_filter(10, False)
        block.set_cache_index_and_filter_blocks(True)  # else indexes and filters grow outside every bound
        block.set_pin_l0_filter_and_index_blocks_in_cache(True)
        options.set_block_based_table_factory(block)
        return options


class Partition:
    """State of one partition, opened for one process. `meta` is None for a store that reflects nothing yet."""

    def __init__(self, path: Path, number: int, memory: StoreMemory) -> None:
        self.path = path
        self.number = number
        self.meta: Meta | None = None
        self.outbox: Outbox | FencedOutbox | None = None
        self.lock = threading.Lock()  # who has it alone writes: a slice, a repair, or who closes
        self.current = False  # restored, and written by nobody but us since
        self.bound_at = 0.0  # monotonic time of the last look at the changelog's end (unfenced only)
        self._memory = memory
        if self._suspect_mark.exists():
            self._move_aside("a read failed its checksum")
        try:
            self._open()
        except Exception as exc:
            if _says(exc, _LOCKED):  # a healthy store of a running process is not ours to move
                raise EngineError(f"store {path.name} is open in another process: {exc}") from None
            if _says(exc, _SURROUNDINGS):
                raise self._failed("opened", exc) from None
            self._move_aside(str(exc))
            try:
                self._open()
            except Exception as again:
                raise self._failed("made anew", again) from None

    @property
    def _suspect_mark(self) -> Path:
        return self.path.with_name(f"{self.path.name}.{_SUSPECT}")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        tables = {file.name for file in self.path.glob("*.sst")}
        options = self._memory.options()
        options.set_disable_auto_compactions(True)  # until its tables are counted
        self.db = Rdict(str(self.path), options)
        try:
            self._count_tables(tables)
            self.db.set_options({"disable_auto_compactions": "false"})
            raw = self.db.get(_META)
            self.meta = Meta.unpack(raw) if raw is not None else None
        except Exception:
            self.db.close()
            raise

    def _count_tables(self, found: set[str]) -> None:
        """RocksDB takes a manifest that was cut short for an older one, drops every table that it does not name, and
        replays the log on what is left: newest offsets, rows missing. A process killed in mid-flush may leave an
        unnamed table too; then a rebuild was not needed, and does no harm.

        Errors: EngineError.
        """
        unnamed = found - {str(file["name"]).lstrip("/") for file in self.db.live_files()}
        if unnamed:
            raise EngineError(f"its manifest names none of {', '.join(sorted(unnamed))}")

    def _move_aside(self, why: str) -> None:
        if self.path.exists():
            bad = self.path.with_name(f"{self.path.name}.bad-{time.time_ns()}")
            told = {"partition": self.number, "why": why}
            log.error("store %s is unusable (%s): moved to %s, rebuilding", self.path.name, why, bad.name, extra=told)
            os.rename(self.path, bad)
        self._suspect_mark.unlink(missing_ok=True)

    def suspect(self) -> None:
        """Have the next start rebuild this store."""
        self._suspect_mark.touch()

    def _failed(self, what: str, exc: Exception) -> EngineError:
        """What is wrong, in words. RocksDB's name files and errors, never a row."""
        if "corruption" in str(exc).lower() and not _says(exc, _SURROUNDINGS):
            self.suspect()  # found while compacting, say: it would be found again after each start
        full = ", its disk is full" if _says(exc, _FULL) else ""
        return EngineError(f"store {self.path} cannot be {what}{full}: {exc}")

    def wipe(self) -> None:
        self.db.close()
        shutil.rmtree(self.path)
        self._open()

    def close(self) -> None:
        with self.lock:
            self._close()

    def _close(self) -> None:
        if self.current and self.meta is not None:  # its age counts from now, however quiet the partition was
            self.write((), replace(self.meta, written_s=int(time.time())))
        self.db.close()
        if self.outbox is not None:
            self.outbox.close()
            self.outbox = None

    # -- rows

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """Values in the order of `keys`."""
        found: list[bytes | None] = self.db.get(keys)
        return found

    def write(self, rows: Iterable[Row], meta: Meta) -> None:
        """Rows and offsets in one batch."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_META, meta.pack())
        try:
            self.db.write(batch)
        except Exception as exc:
            raise self._failed("written", exc) from None
        self.meta = meta

    def load(self, rows: WriteBatch) -> None:
        """Restored rows, without the write-ahead log: the offset is written last, a torn restore is read again."""
        fast = WriteOptions()
        fast.disable_wal = True
        try:
            self.db.write(rows, fast)
        except Exception as exc:
            raise self._failed("written", exc) from None

    def settle(self, meta: Meta) -> None:
        """End of a restore: rows to disk, then the offset."""
        try:
            self.db.flush()
        except Exception as exc:
            raise self._failed("written", exc) from None
        self.write((), meta)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self.db.items():
            if key != _META:
                yield key, value


def _says(error: Exception, words: Iterable[str]) -> bool:
    return any(each in str(error) for each in words)
