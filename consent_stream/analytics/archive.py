"""A directory of Parquet files that grows by whole commits and says itself where to go on.

    DIR/topic=consent.changes/_manifest.json
    DIR/topic=consent.changes/date=2026-10-07/p03-000000001200-000000004711.parquet
    DIR/unreadable=consent.changes/date=…

1. A file is written beside its place, on disk before it is renamed, and holds the rows of one day among the records
   from its first offset up to, and without, its second.
2. A commit is the manifest, replaced when all its files are in place: for each partition the offset to go on at. What
   lies beyond it was never committed; the next start removes it and makes it anew.
3. So whatever is killed when, each record is in exactly one file once the exporter has run again. Who reads meanwhile
   may see rows of a commit before it is one: none doubled, none wrong.
4. Files of committed days may be deleted by whoever keeps them: they are not made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from consent_stream.disk import sync_directory

FORMAT = 1
MANIFEST = "_manifest.json"  # Hive, Spark and DuckDB pass over names that begin so
LOCK = ".lock"
NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # what Hive calls a null: an instant that no calendar has
DAY = 86_400_000_000  # microseconds
_NAME = re.compile(r"p(\d+)-(\d+)-(\d+)\.parquet")


class ArchiveFault(Exception):
    """The directory cannot be gone on with. One line."""


class Manifest(NamedTuple):
    """What is committed. name, topic_id: the topic in the cluster. next: by partition, the first offset not read.

    since: µs, where the first export began; None: at the beginning of the topic. rows, unreadable: how many there are.
    """

    name: str
    topic_id: str
    since: int | None
    next: dict[int, int]
    rows: int = 0
    unreadable: int = 0


class Chunk(NamedTuple):
    """Rows of one partition and day, between two offsets. readable: not of the table beside."""

    partition: int
    day: str
    batches: list[pa.RecordBatch]
    readable: bool = True


def day_of(instant: int | None) -> str:
    """The UTC day of an instant (µs), as directories are called."""
    if instant is None:
        return NO_DAY
    number = instant // DAY + date(1970, 1, 1).toordinal()
    return date.fromordinal(number).isoformat() if 1 <= number <= date.max.toordinal() else NO_DAY


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the directory, made if need be, for this process alone. Errors: ArchiveFault; OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
        except BlockingIOError:
            raise ArchiveFault(f"{folder}: another export writes there") from None
        yield


class Archive:
    """The files of one topic in a directory that is `locked`.

    Errors: ArchiveFault when what is there was not made by an export, or is not whole; OSError.
    """

    def __init__(self, folder: Path, topic: str) -> None:
        self._folder = folder / f"topic={topic}"
        self._beside = folder / f"unreadable={topic}"
        self.committed = self._read_manifest()
        self._remove_uncommitted()

    def begin(self, manifest: Manifest) -> None:
        """The first manifest of a topic: from now on it is bound to that one."""
        _make(self._folder)
        self._write_manifest(manifest)

    def commit(self, chunks: Iterable[Chunk], reached: Mapping[int, int]) -> None:
        """Add rows. reached: by partition the offset up to which all records are in `chunks` or in files before.

        Errors: OSError, and nothing is committed.
        """
        before = self.committed
        assert before is not None
        counts, touched = {True: 0, False: 0}, set[Path]()
        for chunk in chunks:
            start, end = before.next.get(chunk.partition, 0), reached[chunk.partition]
            folder = (self._folder if chunk.readable else self._beside) / f"date={chunk.day}"
            _make(folder)
            _write(folder / f"p{chunk.partition:02d}-{start:012d}-{end:012d}.parquet", chunk.batches)
            touched.add(folder)
            counts[chunk.readable] += sum(batch.num_rows for batch in chunk.batches)
        for folder in touched:
            sync_directory(folder)
        rows, unreadable = before.rows + counts[True], before.unreadable + counts[False]
        self._write_manifest(
            before._replace(next={**before.next, **reached}, rows=rows, unreadable=unreadable),
        )

    def _read_manifest(self) -> Manifest | None:
        path = self._folder / MANIFEST
        try:
            said = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            if any(self._files()):
                raise ArchiveFault(f"{path} is missing, and files are there: nobody knows where to go on") from None
            return None
        except orjson.JSONDecodeError:
            raise ArchiveFault(f"{path} cannot be read") from None
        try:
            if said.pop("format") != FORMAT:
                raise ArchiveFault(f"{path} is of another version of consent-stream")
            said["next"] = {int(partition): int(offset) for partition, offset in said["next"].items()}
            return Manifest(**said)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ArchiveFault(f"{path} is no manifest of an export") from None

    def _write_manifest(self, manifest: Manifest) -> None:
        said = {"format": FORMAT, **manifest._asdict(), "next": {str(p): at for p, at in manifest.next.items()}}
        path = self._folder / MANIFEST
        with _appearing(path) as file:
            file.write(orjson.dumps(said, option=orjson.OPT_INDENT_2))
        sync_directory(self._folder)
        self.committed = manifest

    def _remove_uncommitted(self) -> None:
        """What a killed export left: drafts, and files beyond the last commit."""
        reached = self.committed.next if self.committed else {}
        for folder in (self._folder, self._beside):
            for draft in folder.rglob(".*.part"):
                draft.unlink()
        for path, partition, start, end in self._files():
            done = reached.get(partition, 0)
            if start >= done:
                path.unlink()
            elif end > done:
                raise ArchiveFault(f"{path} goes beyond the manifest beside it, which ends at {done}: was it put back?")

    def _files(self) -> Iterator[tuple[Path, int, int, int]]:
        for folder in (self._folder, self._beside):
            for path in sorted(folder.glob("date=*/*.parquet")):
                found = _NAME.fullmatch(path.name)
                if found is not None:  # others' files are theirs
                    partition, start, end = map(int, found.groups())
                    yield path, partition, start, end


def _write(path: Path, batches: list[pa.RecordBatch]) -> None:
    with _appearing(path) as file, pq.ParquetWriter(file, batches[0].schema, compression="zstd") as writer:
        writer.write_table(pa.Table.from_batches(batches))


@contextmanager
def _appearing(path: Path) -> Iterator[Any]:
    """A file to write to, which is on disk and in its place when the block ends, or nowhere."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it is in its place
            draft.unlink()


def _make(folder: Path) -> None:
    """A directory that is there after a power cut too: its name is on disk."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_directory(folder.parent)


def shown(instant: int) -> str:
    """An instant (µs) as people give it."""
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat().replace("+00:00", "Z")
