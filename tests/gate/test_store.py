"""The file of a list: sorted and packed at a cold start, and never trusted when it may be torn."""

import random
import shutil
import subprocess
import sys

import pytest

from consent_stream.gate import reading
from consent_stream.gate.known import HEAD, decode_head
from consent_stream.gate.lmdb_reader import LmdbReader
from consent_stream.gate.lmdb_replica import LmdbReplica
from consent_stream.gate.packing import FEWEST_ROWS, ROWS_TO_LEARN, Packing
from consent_stream.gate.reading import Reading, Record
from consent_stream.gate.replica import MemoryReplica, Origin, ReplicaFault
from tests.gate.made import entry, grant, restriction
from tests.gate.mailer import NOON

ORIGIN = Origin("cluster", "suppression.email", "topic-id", 2)


def key(n):
    return b"\x01" + (b"c" if n % 5 == 0 else b"a") + bytes([n % 2]) + random.Random(n).randbytes(16)


def row(n, version=1):
    parts = [grant(ident=f"{random.Random(n * version).getrandbits(128):032x}", lo=NOON - n, until=NOON + n)]
    return entry(*parts, *([restriction(ident=f"r{n}", hi=NOON - 2 * n)] if n % 4 == 0 else []), version=version)


def records(people, rng):
    """Each key in one to three versions, in any order, with what cannot be read in between."""
    found = [(key(n), row(n, version)) for n in range(people) for version in range(1, rng.choice((2, 2, 3, 4)))]
    found += [
        (key(n), value) for n in rng.sample(range(people), people // 50) for value in (None, b"?", row(n, 9)[:-1])
    ]
    rng.shuffle(found)
    return [Record(0, offset, *pair) for offset, pair in enumerate(found)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("people", [300, 3000])
def test_a_cold_start_by_way_of_the_spool_ends_as_one_record_after_the_other(tmp_path, monkeypatch, seed, people):
    monkeypatch.setattr(reading, "SPOOL_FROM", 1)
    monkeypatch.setattr("consent_stream.gate.spool.BLOCK_BYTES", 4096)
    arrived = records(people, random.Random(seed))
    one, many = Reading(MemoryReplica()), Reading(LmdbReplica(tmp_path / "store"))
    for each in (one, many):
        each.begin(ORIGIN)
        each.expect(len(arrived))
        for at in range(0, len(arrived), 700):
            each.take(arrived[at : at + 700], NOON, 0)
        each.caught_up()
    assert len(many) == len(one) == people
    assert [many.replica.get(key(n)) for n in range(people)] == [one.replica.get(key(n)) for n in range(people)]
    assert many.alarms == one.alarms
    assert many.replica.open(ORIGIN) == {0: len(arrived)}
    many.replica.close()


def test_until_it_is_stored_a_cold_start_leaves_nothing_to_go_on_from(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "SPOOL_FROM", 1)
    arrived = records(3000, random.Random(1))
    store = Reading(LmdbReplica(tmp_path / "store"))
    store.begin(ORIGIN)
    store.expect(len(arrived))
    store.take(arrived, NOON, 0)
    assert len(store) == 0
    store.ending = True
    with pytest.raises(ReplicaFault, match="closed"):
        store.caught_up()
    assert store.replica.open(ORIGIN) == {}
    assert len(store) == 0
    store.replica.close()
    assert [each.name for each in (tmp_path / "store").iterdir()].count("rows") == 1
    assert {each.name for each in (tmp_path / "store").iterdir()} == {"rows", "follower.lock"}


def test_rows_of_a_long_list_take_little_room(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "SPOOL_FROM", 1)
    people = 20_000
    store = Reading(LmdbReplica(tmp_path / "store"))
    store.begin(ORIGIN)
    store.expect(people)
    store.take([Record(0, n, key(n), row(n)) for n in range(people)], NOON, 0)
    store.caught_up()
    store.replica.close()
    size = (tmp_path / "store" / "rows" / "data.mdb").stat().st_size
    assert size / people < 160
    assert size / people < sum(len(row(n)) for n in range(1000)) / 1000 / 1.5


def test_a_list_that_grows_row_by_row_is_packed_from_some_day_on(tmp_path):
    store = LmdbReplica(tmp_path / "store")
    store.open(ORIGIN)
    many = ROWS_TO_LEARN + 2000
    for at in range(0, many, 1000):
        store.apply({key(n): row(n) for n in range(at, at + 1000)}, {0: at})
    assert store._packing.dictionary
    assert all(store.get(key(n)) == row(n) for n in range(0, many, 7))
    store.close()
    again = LmdbReplica(tmp_path / "store")
    assert all(again.get(key(n)) == row(n) for n in range(0, many, 7))
    again.close()


def test_what_is_packed_comes_out_as_it_went_in():
    rows = [row(n) for n in range(FEWEST_ROWS)]
    packing = Packing.learn(rows)
    assert packing.dictionary
    odd = {b"a": b"\0", b"b": b"\0" + rows[0], b"c": rows[1][:11], b"d": rows[2] * 2000, b"e": rows[3]}
    packed = dict(packing.pack(odd))
    assert {name: packing.unpack(stored) for name, stored in packed.items()} == odd
    assert len(packed[b"e"]) < len(rows[3]) / 1.5
    assert packing.unpack(b"\x60garbage") == b"\x60garbage"
    assert Packing.learn(rows[:10]).dictionary == b""


BROKEN = """
import random, shutil, sys
from pathlib import Path
from consent_stream.gate.lmdb_reader import LmdbReader
from consent_stream.gate.lmdb_replica import LmdbReplica
from consent_stream.gate.replica import ReplicaFault
from tests.gate.test_store import ORIGIN, key, row
good, work, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rng, kept, anew = random.Random(seed), 0, 0
for turn in range(60):
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(good, work)
    data = work / "rows" / "data.mdb"
    whole = bytearray(data.read_bytes())
    kind = rng.choice(("cut", "bytes", "page", "header", "nothing"))
    if kind == "cut":
        del whole[rng.randrange(len(whole)):]
    elif kind == "bytes":
        for _ in range(rng.choice((1, 10, 1000))):
            whole[rng.randrange(len(whole))] ^= rng.randrange(1, 256)
    elif kind == "page":
        at = rng.randrange(len(whole) // 4096) * 4096
        whole[at:at + 4096] = rng.randbytes(4096)
    elif kind == "header":
        for _ in range(8):
            whole[rng.randrange(8192)] = rng.randrange(256)
    data.write_bytes(whole)
    same = bytes(whole) == (good / "rows" / "data.mdb").read_bytes()
    reader = LmdbReader(work)
    try:
        assert reader.get(key(1)) == row(1)
        assert same
    except ReplicaFault:
        assert not same, kind
    reader.close()
    replica = LmdbReplica(work)
    offsets = replica.open(ORIGIN)
    found = [replica.get(key(n)) for n in range(0, 2000, 37)]
    if same:
        assert offsets == {0: 2000} and found == [row(n) for n in range(0, 2000, 37)]
        kept += 1
    else:
        assert offsets == {} and not any(found)
        anew += 1
    replica.apply({key(1): row(1)}, {0: 1})
    assert replica.get(key(1)) == row(1)
    replica.close()
assert kept and anew
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_file_that_was_cut_or_scribbled_on_is_built_anew_by_its_follower_and_refused_by_readers(tmp_path, seed):
    """In a process of its own: what goes wrong here is a signal, not an error."""
    replica = LmdbReplica(tmp_path / "good")
    replica.open(ORIGIN)
    replica.apply({key(n): row(n) for n in range(2000)}, {0: 2000})
    replica.close()
    command = [sys.executable, "-c", BROKEN, tmp_path / "good", tmp_path / "work", str(seed)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_a_file_that_nobody_vouches_for_is_not_looked_at(tmp_path):
    replica = LmdbReplica(tmp_path / "store")
    replica.open(ORIGIN)
    replica.apply({key(1): row(1)}, {0: 1})
    replica.close()
    (tmp_path / "store" / "rows" / "seal").unlink()
    with pytest.raises(ReplicaFault, match="mends"):
        LmdbReader(tmp_path / "store").look()
    replica = LmdbReplica(tmp_path / "store")
    assert replica.open(ORIGIN) == {}
    replica.close()


def test_a_disk_without_room_for_the_spool_is_a_fault(tmp_path, monkeypatch):
    replica = LmdbReplica(tmp_path / "store")
    replica.open(ORIGIN)

    def full(*about, **more):
        raise OSError(28, "x")

    monkeypatch.setattr("consent_stream.gate.spool.tempfile.TemporaryFile", full)
    with pytest.raises(ReplicaFault, match="No space left"):
        replica.spool([(key(1), row(1))])
    monkeypatch.undo()
    replica.spool([(key(1), row(1))])
    replica.fill(dict, {0: 1})
    assert replica.get(key(1)) == row(1)
    replica.close()


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b"\xff", b'{"boot":1}'])
def test_a_head_of_another_kind_says_nothing(value):
    assert decode_head(value) is None
    assert HEAD == b"head"


def test_the_directory_is_for_its_owner_alone(tmp_path):
    LmdbReplica(tmp_path / "store").close()
    assert (tmp_path / "store" / "rows").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "store" / "rows" / "data.mdb").stat().st_mode & 0o777 == 0o600
    shutil.rmtree(tmp_path / "store")
