"""The spool: events on the disk while Kafka is away.

1. `put` is done when its records are on the disk (fsync); all who wait share one fsync.
2. Records leave in the order in which they came, a file at a time; a file goes when each of its records is proven in
   Kafka. After a crash a file is sent again from its beginning: the same event twice does no harm.
3. Where a write or an fsync failed nothing more is written: the kernel may have dropped the pages and call the next
   fsync good (fsync(2), errors). The file is cut to what was proven, and the next one begun.
4. One process a folder, by a lock that the kernel lets go of when the process ends.

Files are of mode 0600: an event may name an address.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from consent_stream.disk import sync_directory
from consent_stream.edge.segments import SUFFIX, Spooled, framed, read

log = logging.getLogger(__name__)
SEGMENT_BYTES = 4 * 1024 * 1024
MOST_BYTES = 1024**3  # of all files; beyond it the answer is 503, before the disk is full for everybody
MOST_AT_ONCE = 4096  # puts that share one fsync


class SpoolBusy(Exception):
    """Another process has the folder."""


class SpoolFull(OSError):
    """No more is kept."""


@dataclass
class Segment:
    """One file. oldest: instant of its first record, µs."""

    path: Path
    oldest: int
    size: int = 0


@dataclass
class _Put:
    records: Sequence[bytes]
    at: int
    done: Future[None]


class Spool:
    """Records on the disk. Errors when made: SpoolBusy; OSError when the folder cannot be used."""

    def __init__(self, folder: Path, most: int = MOST_BYTES, segment: int = SEGMENT_BYTES) -> None:
        self.folder, self._most, self._segment_bytes = folder, most, segment
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(folder / "lock")
        self._guard = threading.Lock()  # of the segments
        self._appending = threading.Lock()  # held while a file is written to: it must not be read and go meanwhile
        try:
            self._segments = deque(self._found())
        except BaseException:
            os.close(self._lock)
            raise
        self._number = 1 + max((int(each.path.stem) for each in self._segments), default=0)
        self._writing: Segment | None = None  # the last of the segments, while it is written to
        self._file = -1
        self._puts: queue.SimpleQueue[_Put | None] = queue.SimpleQueue()
        self.news = threading.Event()  # something was put
        self._thread = threading.Thread(target=self._write, name="edge-spool", daemon=True)
        self._thread.start()

    def put(self, records: Sequence[bytes], at: int) -> Future[None]:
        """Keep records; done when they are on the disk. at: µs. Errors: OSError in the future; SpoolFull."""
        asked = _Put(records, at, Future())
        self._puts.put(asked)
        return asked.done

    @property
    def oldest(self) -> int | None:
        """Instant of the oldest record that has not left, µs; None when there is none."""
        with self._guard:
            return min((each.oldest for each in self._segments), default=None)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        with self._guard:
            return sum(each.size for each in self._segments)

    def first(self) -> tuple[Segment, list[Spooled]] | None:
        """The oldest file and what is in it; nothing more is written to it. None without any. Errors: OSError."""
        with self._appending, self._guard:
            if not self._segments:
                return None
            segment = self._segments[0]
            if segment is self._writing:
                self._writing = None
        contents = read(segment.path)
        if contents.unread:
            # A write that was cut off was never promised; anything else is a disk that lost what it had.
            found = {"file": segment.path.name, "unread": contents.unread}
            log.warning("%s: %d bytes are no whole record", segment.path.name, contents.unread, extra=found)
        return segment, contents.records

    def drop(self, segment: Segment) -> None:
        """A file whose records are all proven elsewhere. Errors: OSError."""
        segment.path.unlink(missing_ok=True)
        with self._guard:
            self._segments.remove(segment)

    def close(self) -> None:
        """End after what was put."""
        self._puts.put(None)
        self._thread.join()
        if self._file >= 0:
            os.close(self._file)
        os.close(self._lock)

    def _found(self) -> list[Segment]:
        found, paths = [], list(self.folder.glob(f"*{SUFFIX}"))
        for path in paths:
            if not (path.stem.isascii() and path.stem.isdigit()):
                # A copy of somebody's may hold what was promised: no guess about its place in the order.
                raise OSError(errno.EINVAL, f"{path.name} is no file of a spool: move it away, or give it a number")
        for path in sorted(paths, key=lambda each: int(each.stem)):
            records, unread = read(path)
            if records:
                found.append(Segment(path, min(each.at for each in records), path.stat().st_size))
            else:
                found_here = {"file": path.name, "unread": unread}
                log.warning("%s: %d bytes and no whole record", path.name, unread, extra=found_here)
                path.unlink()
        return found

    # -- the thread that writes

    def _write(self) -> None:
        ending = False
        while not ending:
            asked = [self._puts.get()]
            with suppress(queue.Empty):
                while len(asked) < MOST_AT_ONCE:
                    asked.append(self._puts.get_nowait())
            ending = None in asked
            puts = [each for each in asked if each is not None]
            if not puts:
                continue
            try:
                with self._appending:
                    self._append(puts)
            except OSError as error:
                for each in puts:
                    each.done.set_exception(error)
            else:
                self.news.set()
                for each in puts:
                    each.done.set_result(None)

    def _append(self, puts: Sequence[_Put]) -> None:
        raw = b"".join(framed(each.records, each.at) for each in puts)
        if self.size + len(raw) > self._most:
            raise SpoolFull(f"{self._most} bytes are kept")
        # Known before it is written: from the first moment it can be on the disk, it counts as old as it is.
        segment, before = self._place(min(each.at for each in puts))
        try:
            _write_all(self._file, raw)
            os.fsync(self._file)
        except OSError:
            self._abandon(segment, before)
            raise
        with self._guard:
            segment.size += len(raw)

    def _place(self, at: int) -> tuple[Segment, int]:
        """The file to write to, with room, and its length."""
        with self._guard:
            segment = self._writing
            if segment is not None and segment.size < self._segment_bytes:
                return segment, segment.size
        self._let_go()
        path = self.folder / f"{self._number:012d}{SUFFIX}"
        self._number += 1
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        sync_directory(self.folder)
        segment = Segment(path, at)
        with self._guard:
            self._segments.append(segment)
            self._writing = segment
        return segment, 0

    def _abandon(self, segment: Segment, proven: int) -> None:
        with suppress(OSError):
            os.ftruncate(self._file, proven)
        self._let_go()
        if not proven:
            with suppress(OSError):
                segment.path.unlink()
            with self._guard, suppress(ValueError):
                self._segments.remove(segment)

    def _let_go(self) -> None:
        with self._guard:
            self._writing = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise SpoolBusy(f"{path.parent}: another edge has it") from None
    return lock


def _write_all(file: int, raw: bytes) -> None:
    rest = memoryview(raw)
    while rest:
        rest = rest[os.write(file, rest) :]
