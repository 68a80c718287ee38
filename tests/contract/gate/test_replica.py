"""What every store of a gate must do, whatever keeps the rows."""

import os
import signal
import subprocess
import sys

import pytest

from consent_stream.gate.lmdb_replica import LmdbReplica
from consent_stream.gate.replica import MemoryReplica, Origin, ReplicaFault

ORIGIN = Origin("cluster", "suppression.email", "topic-id", 2)
KEY, OTHER = b"\x01a\0" + bytes(16), b"\x01a\0" + b"\xff" * 16


@pytest.fixture(params=["memory", "lmdb"])
def replica(request, tmp_path):
    store = MemoryReplica() if request.param == "memory" else LmdbReplica(tmp_path / "replica")
    yield store
    store.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "replica"


def test_it_starts_empty(replica):
    assert replica.open(ORIGIN) == {}
    assert len(replica) == 0
    assert replica.get(KEY) is None


def test_rows_and_offsets_are_there_after_apply(replica):
    replica.open(ORIGIN)
    replica.apply({KEY: b"one", OTHER: b"two"}, {0: 5})
    replica.apply({KEY: b"three"}, {1: 9})
    assert (replica.get(KEY), replica.get(OTHER), len(replica)) == (b"three", b"two", 2)
    assert replica.open(ORIGIN) == {0: 5, 1: 9}
    assert replica.get(KEY) == b"three"


def test_offsets_alone_move_too(replica):
    replica.open(ORIGIN)
    replica.apply({}, {0: 5})
    assert replica.open(ORIGIN) == {0: 5}


@pytest.mark.parametrize(
    "other",
    [
        ORIGIN._replace(cluster="x"),
        ORIGIN._replace(topic_id="x"),
        ORIGIN._replace(topic="x"),
        ORIGIN._replace(partitions=3),
    ],
)
def test_another_incarnation_of_the_topic_starts_empty(replica, other):
    replica.open(ORIGIN)
    replica.apply({KEY: b"one"}, {0: 5})
    assert replica.open(other) == {}
    assert replica.get(KEY) is None
    assert len(replica) == 0


def test_clear_forgets_rows_and_offsets(replica):
    replica.open(ORIGIN)
    replica.apply({KEY: b"one"}, {0: 5})
    replica.clear()
    assert replica.get(KEY) is None
    assert replica.open(ORIGIN) == {}


def test_a_file_is_warm_at_the_next_start(path):
    with_rows = LmdbReplica(path)
    with_rows.open(ORIGIN)
    with_rows.apply({KEY: b"one"}, {0: 5})
    with_rows.close()
    again = LmdbReplica(path)
    assert again.open(ORIGIN) == {0: 5}
    assert again.get(KEY) == b"one"
    again.close()


def test_a_file_outlives_sigkill_of_its_writer_with_rows_and_offsets_that_agree(path):
    script = (
        "import sys, itertools\n"
        "from consent_stream.gate.lmdb_replica import LmdbReplica\n"
        "from tests.contract.gate.test_replica import ORIGIN\n"
        f"replica = LmdbReplica(__import__('pathlib').Path({str(path)!r}))\n"
        "kept = replica.open(ORIGIN)\n"
        "for n in itertools.count(kept.get(0, 0) + 1):\n"
        "    replica.apply({b'%019d' % n: b'row'}, {0: n})\n"
        "    if n % 50 == 0: print(n, flush=True)\n"
    )
    reached = 0
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as writer:
            reached = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        replica = LmdbReplica(path)
        offset = replica.open(ORIGIN)[0]
        assert offset >= reached
        assert len(replica) == offset
        assert replica.get(b"%019d" % offset) == b"row"
        replica.close()
    assert reached >= 250


def test_a_file_written_before_the_machine_went_down_is_built_anew(path, monkeypatch, tmp_path):
    before = LmdbReplica(path)
    before.open(ORIGIN)
    before.apply({KEY: b"one"}, {0: 5})
    before._env.close()  # as a power cut does: no mark of a clean end
    before._lock.close()
    boot = tmp_path / "boot"
    boot.write_bytes(b"another boot\n")
    monkeypatch.setattr("consent_stream.gate.clock.BOOT_ID", boot)
    after = LmdbReplica(path)
    assert after.open(ORIGIN) == {}
    assert after.get(KEY) is None
    after.close()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, bytes(8192)])
def test_a_foreign_or_torn_file_is_built_anew(path, content):
    (path / "rows").mkdir(parents=True)
    (path / "rows" / "data.mdb").write_bytes(content)
    replica = LmdbReplica(path)
    assert replica.open(ORIGIN) == {}
    replica.apply({KEY: b"one"}, {0: 5})
    assert replica.get(KEY) == b"one"
    replica.close()


def test_a_truncated_file_never_gives_a_row_that_is_not_there(path):
    whole = LmdbReplica(path)
    whole.open(ORIGIN)
    whole.apply({b"%019d" % n: b"row" * 50 for n in range(5000)}, {0: 5000})
    whole.close()
    file = path / "rows" / "data.mdb"
    os.truncate(file, file.stat().st_size // 2)
    replica = LmdbReplica(path)
    assert replica.open(ORIGIN) == {}
    assert len(replica) == 0
    replica.close()


def test_two_followers_do_not_share_a_directory(path):
    first = LmdbReplica(path)
    with pytest.raises(ReplicaFault, match="another gate"):
        LmdbReplica(path)
    first.close()
    LmdbReplica(path).close()


def test_a_place_that_is_none_is_said_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ReplicaFault, match="file"):
        LmdbReplica(tmp_path / "file")


def test_a_store_without_room_is_a_fault_and_keeps_what_it_had(path):
    small = LmdbReplica(path, map_bytes=1 << 20)
    small.open(ORIGIN)
    small.apply({KEY: b"one"}, {0: 1})
    with pytest.raises(ReplicaFault):
        small.apply({b"%019d" % n: b"row" * 300 for n in range(5000)}, {0: 5001})
    assert small.get(KEY) == b"one"
    assert small.open(ORIGIN) == {0: 1}
    small.close()


def test_a_closed_store_is_a_fault_and_not_an_absent_row(path):
    replica = LmdbReplica(path)
    replica.open(ORIGIN)
    replica.close()
    with pytest.raises(ReplicaFault):
        replica.get(KEY)
