"""One RocksDB: rows and offsets together, torn restores, broken files, a second opener."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from consent_stream.engine.failure import EngineError
from consent_stream.engine.partition import Meta, Partition, StoreMemory

META = Meta("cluster", "topic", 7, 1_000, {"src": ("id", 3)}, ["src"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table" / "0"


def opened(path: Path) -> Partition:
    return Partition(path, 0, StoreMemory(cache_mib=8, buffers_mib=8))


def test_rows_and_offsets_survive_together(path: Path) -> None:
    part = opened(path)
    assert part.meta is None
    part.write([(b"a", b"1"), (b"b", b"2")], META)
    part.write([(b"a", None), (b"c", b"")], replace(META, changelog=9))
    part.close()
    part = opened(path)
    assert part.meta == replace(META, changelog=9)
    assert part.get([b"c", b"a", b"b", b"c"]) == [b"", None, b"2", b""]
    assert dict(part.items()) == {b"b": b"2", b"c": b""}
    part.close()


def loaded_and_killed(path: Path, then: str) -> Partition:
    """A store whose process loaded a restored row, did `then`, and died."""
    child = (
        "import os, sys, pathlib; from dataclasses import replace; from rocksdict import WriteBatch\n"
        "from consent_stream.engine.partition import *\n"
        "part = Partition(pathlib.Path(sys.argv[1]), 0, StoreMemory(8, 8))\n"
        "part.write((), Meta('cluster', 'topic', 0, 1))\n"
        f"rows = WriteBatch(raw_mode=True); rows.put(b'a', b'1'); part.load(rows); {then}; os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", child, str(path)], check=False).returncode == 9
    return opened(path)


def test_a_torn_restore_is_read_again(path: Path) -> None:
    """The offset is written last: rows loaded before a kill carry no claim."""
    part = loaded_and_killed(path, "pass")
    assert part.meta is not None
    assert part.meta.changelog == 0
    part.close()


def test_a_finished_restore_has_its_rows_on_disk(path: Path) -> None:
    """They went past the write-ahead log: the offset may stand only once they are flushed."""
    part = loaded_and_killed(path, "part.settle(replace(part.meta, changelog=5))")
    assert part.meta is not None
    assert (part.meta.changelog, part.get([b"a"])) == (5, [b"1"])
    part.close()


def test_a_torn_manifest_is_moved_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.close()
    (manifest,) = path.glob("MANIFEST*")
    with manifest.open("r+b") as file:
        file.truncate(10)
    part = opened(path)
    assert part.meta is None
    assert len(list(path.parent.glob("0.bad-*"))) == 1
    assert "is unusable" in caplog.text
    part.close()


def test_a_store_whose_first_block_is_scribbled_over_is_moved_aside(path: Path) -> None:
    """RocksDB says "block checksum mismatch": no word of a lock in it."""
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.db.flush()
    part.close()
    for table in path.glob("*.sst"):
        with table.open("r+b") as file:
            file.write(b"\xaa" * 32)
    part = opened(path)
    assert part.meta is None
    assert len(list(path.parent.glob("0.bad-*"))) == 1
    part.close()


def test_a_manifest_cut_short_is_no_older_store(path: Path) -> None:
    """RocksDB itself opens it: without the table that is named in what was cut off, but with the log since."""
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.db.flush()
    (manifest,) = path.glob("MANIFEST*")
    whole = manifest.stat().st_size
    part.write([(b"b", b"2")], META)
    part.db.flush()
    part.write([(b"c", b"3")], replace(META, changelog=9))
    assert manifest.stat().st_size > whole
    part.db.close()
    with manifest.open("r+b") as file:
        file.truncate(whole)
    part = opened(path)
    assert (part.meta, dict(part.items())) == (None, {})
    assert len(list(path.parent.glob("0.bad-*"))) == 1
    part.close()


def test_a_healthy_store_that_cannot_be_opened_is_not_moved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.close()

    def full(self: Partition) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Partition, "_open", full)
        with pytest.raises(EngineError, match="its disk is full"):
            opened(path)
    part = opened(path)
    assert part.get([b"a"]) == [b"1"]
    part.close()


def test_a_store_that_failed_a_read_is_rebuilt_at_the_next_start(path: Path) -> None:
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.suspect()
    part.close()
    part = opened(path)
    assert part.meta is None
    part.close()
    part = opened(path)
    assert len(list(path.parent.glob("0.bad-*"))) == 1, "once is enough"
    part.close()


def test_the_store_of_a_running_process_is_not_moved(path: Path) -> None:
    """A lock error is no corruption: the store is healthy and somebody's."""
    part = opened(path)
    part.write([(b"a", b"1")], META)
    with pytest.raises(EngineError, match="another process"):
        opened(path)
    assert part.get([b"a"]) == [b"1"]
    part.close()
    assert not list(path.parent.glob("0.bad-*"))


def test_the_age_of_a_store_counts_from_when_it_was_last_current(path: Path) -> None:
    """Tombstones it missed may be compacted away; a partition nobody wrote to has missed none."""
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.close()
    part = opened(path)
    assert part.meta == META, "a restore that did not end proves nothing"
    part.current = True
    part.close()
    part = opened(path)
    assert part.meta is not None
    assert part.meta.written_s > time.time() - 60
    assert replace(part.meta, written_s=META.written_s) == META
    part.close()


def test_wipe_leaves_nothing(path: Path) -> None:
    part = opened(path)
    part.write([(b"a", b"1")], META)
    part.wipe()
    assert part.meta is None
    assert dict(part.items()) == {}
    part.close()
