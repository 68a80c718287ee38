"""The archive: whole commits whatever ends the process when, one writer, and no going on where it cannot be right."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from consent_stream.analytics import archive as archive_module
from consent_stream.analytics.archive import NO_DAY, Archive, ArchiveFault, Chunk, Manifest, day_of, locked
from consent_stream.analytics.tables import UNREADABLE, batch, unreadable_row
from consent_stream.domain.standing import BLANK
from consent_stream.wire.change import encode_change
from tests.analytics.records import Record, chunks, held
from tests.wire.samples import AT, KEY, PARTIAL, UNSUBSCRIBE

TOPIC, DAY = "consent.changes", 86_400_000_000
FIRST = Manifest(TOPIC, "id-1", None, {0: 0, 1: 0})


def change(partition: int, offset: int, day: int = 0) -> Record:
    fact = UNSUBSCRIBE._replace(received=AT + day * DAY, id=f"e-{partition}-{offset}")
    return Record((partition, offset), encode_change("email", BLANK, PARTIAL, fact, offset), KEY)


RECORDS = [change(p, offset, offset % 3) for p in (0, 1) for offset in range(12)]


def opened(folder: Path) -> Archive:
    found = Archive(folder, TOPIC)
    if found.committed is None:
        found.begin(FIRST)
    return found


def add(folder: Path, upto: int) -> None:
    """What an export does: from where it stopped up to an offset of each partition."""
    archive = opened(folder)
    assert archive.committed
    reached = archive.committed.next
    new = [each for each in RECORDS if reached[each.partition()] <= each.offset() < upto]
    archive.commit(chunks("changes", new), dict.fromkeys((0, 1), upto))


def places(folder: Path) -> list[tuple[int, int]]:
    return [(row["partition"], row["offset"]) for row in held(folder)]


class Killed(BaseException):
    """The process is gone: nothing that it would do afterwards happens."""


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """From the n-th call on that alters what is on disk, no such call is made."""
    made: list[str] = []

    def stopping(name, real):
        def call(*args, **more):
            if len(made) >= number:
                raise Killed
            made.append(name)
            return real(*args, **more)

        return call

    for name in ("replace", "fsync", "mkdir"):
        monkeypatch.setattr(os, name, stopping(name, getattr(os, name)))
    monkeypatch.setattr(Path, "unlink", stopping("unlink", Path.unlink))
    return made


def test_wherever_a_commit_is_cut_short_the_next_makes_it_whole(tmp_path, monkeypatch):
    """Each call in turn at which the process may be gone, and again while that is mended."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # who is killed takes no page cache along, and disks are busy
    number = 0
    while True:
        folder = tmp_path / str(number)
        add(folder, 4)
        with monkeypatch.context() as patch:
            made = killed_at(patch, number)
            try:
                add(folder, 9)
                finished = True
            except Killed:
                finished = False
        seen = places(folder)
        assert set(seen) <= {each.at for each in RECORDS}
        assert len(seen) == len(set(seen)), "a reader meanwhile sees nothing doubled"
        for again in (0, 13):  # killed while it mends
            with monkeypatch.context() as patch, suppress(Killed):
                killed_at(patch, again)
                add(folder, 9)
        add(folder, 12)
        assert places(folder) == [each.at for each in RECORDS]
        assert not list(folder.rglob("*.part"))
        if finished:
            assert number >= len(made)
            break
        number += 1
    assert number > 15, "a commit of six files has more steps than that"


def test_rows_are_filed_under_their_day(tmp_path):
    add(tmp_path, 12)
    for path in (tmp_path / f"topic={TOPIC}").glob("date=*/*.parquet"):
        days = {row["received"].date().isoformat() for row in pq.ParquetFile(path).read().to_pylist()}
        assert {f"date={day}" for day in days} == {path.parent.name}
    assert [day_of(AT), day_of(None), day_of(-(1 << 63)), day_of((1 << 63) - 1), day_of(0)] == [
        "2026-03-01", NO_DAY, NO_DAY, NO_DAY, "1970-01-01",
    ]  # fmt: skip


def test_a_file_tells_its_columns(tmp_path):
    add(tmp_path, 1)
    (path, *_) = (tmp_path / f"topic={TOPIC}").glob("date=*/*.parquet")
    found = pq.read_schema(path)
    assert found.field("received").metadata[b"doc"] == b"Append time of the event that changed it."
    assert b"consent.changes" in found.metadata[b"doc"]


def test_days_that_somebody_deleted_stay_deleted(tmp_path):
    add(tmp_path, 4)
    for path in (tmp_path / f"topic={TOPIC}").glob("date=2026-03-01/*"):
        path.unlink()
    add(tmp_path, 12)
    assert places(tmp_path) == [each.at for each in RECORDS if not (each.offset() < 4 and each.offset() % 3 == 0)]


def test_what_cannot_be_read_lies_beside(tmp_path):
    row = batch(UNREADABLE, [unreadable_row(Record((0, 0), b"?"), "unknown_schema")])
    archive = opened(tmp_path)
    archive.commit([Chunk(0, "2026-03-01", [row], False)], {0: 1, 1: 0})
    assert held(tmp_path) == []
    assert [each["offset"] for each in held(tmp_path, f"unreadable={TOPIC}")] == [0]
    assert (archive.committed.rows, archive.committed.unreadable) == (0, 1)


def test_two_exports_at_once_are_refused(tmp_path):
    with locked(tmp_path / "lake"), pytest.raises(ArchiveFault, match="another export"), locked(tmp_path / "lake"):
        pass
    with locked(tmp_path / "lake"):
        pass


def test_files_without_a_manifest_are_refused(tmp_path):
    add(tmp_path, 4)
    (tmp_path / f"topic={TOPIC}" / "_manifest.json").unlink()
    with pytest.raises(ArchiveFault, match="is missing"):
        opened(tmp_path)
    assert len(places(tmp_path)) == 8, "and nothing was removed"


@pytest.mark.parametrize(
    "said", [b"", b"[]", b"{}", b'{"format":2}', b'{"format":1,"name":"x"}', b'{"format":1,"next":[]}']
)
def test_a_manifest_that_is_none_is_refused(tmp_path, said):
    add(tmp_path, 4)
    (tmp_path / f"topic={TOPIC}" / "_manifest.json").write_bytes(said)
    with pytest.raises(ArchiveFault):
        opened(tmp_path)
    assert len(places(tmp_path)) == 8


def test_a_manifest_that_was_put_back_is_refused_where_files_go_beyond_it(tmp_path):
    add(tmp_path, 4)
    path = tmp_path / f"topic={TOPIC}" / "_manifest.json"
    said = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**said, "next": {"0": 2, "1": 2}}))
    with pytest.raises(ArchiveFault, match="goes beyond"):
        opened(tmp_path)


def test_a_full_disk_commits_nothing_and_leaves_no_draft(tmp_path, monkeypatch):
    add(tmp_path, 4)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archive_module.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            add(tmp_path, 9)
    assert not list(tmp_path.rglob("*.part"))
    assert len(places(tmp_path)) == 8
    add(tmp_path, 12)
    assert places(tmp_path) == [each.at for each in RECORDS]
