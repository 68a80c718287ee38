"""The spool on the disk: what was promised is there, in order, whatever was cut off or damaged."""

import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.dev.leash import leashed
from consent_stream.edge import spool as spooling
from consent_stream.edge.segments import framed, read
from consent_stream.edge.spool import Spool, SpoolBusy, SpoolFull

records = st.lists(st.binary(max_size=300) | st.just(b"CS1\n" * 5), max_size=12)


def put(spool, *found, at=1):
    spool.put(found, at).result(10)


def drained(spool):
    found = []
    while (first := spool.first()) is not None:
        segment, there = first
        found += [each.record for each in there]
        spool.drop(segment)
    return found


@given(records, st.data())
def test_a_cut_takes_what_it_hits_and_nothing_else(tmp_path_factory, found, data):
    raw = framed(found, 5)
    cut = data.draw(st.integers(0, len(raw)))
    path = tmp_path_factory.mktemp("s") / "1.events"
    path.write_bytes(raw[:cut])
    whole = [each.record for each in read(path).records]
    assert whole == found[: len(whole)]
    assert len(framed(found[: len(whole) + 1], 5)) > cut or whole == found


@given(records.filter(bool), st.data())
def test_damage_takes_one_record(tmp_path_factory, found, data):
    raw = bytearray(framed(found, 5))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("s") / "1.events"
    path.write_bytes(raw)
    whole = [each.record for each in read(path).records]
    ends = [len(framed(found[: each + 1], 5)) for each in range(len(found))]
    hit = next(number for number, end in enumerate(ends) if place < end)
    assert whole == found[:hit] + found[hit + 1 :]


def test_in_order_over_many_files_and_a_new_start(tmp_path):
    spool = Spool(tmp_path, segment=200)
    wanted = [b"%03d" % number for number in range(60)]
    for number, each in enumerate(wanted):
        put(spool, each, at=100 + number)
    assert spool.oldest == 100
    assert len(list(tmp_path.glob("*.events"))) > 3
    spool.close()
    again = Spool(tmp_path, segment=200)
    assert (again.oldest, again.size > 0) == (100, True)
    put(again, b"later", at=900)
    assert drained(again) == [*wanted, b"later"]
    assert (again.oldest, again.size, list(tmp_path.glob("*.events"))) == (None, 0, [])
    again.close()


def test_many_who_wait_share_an_fsync(tmp_path, monkeypatch):
    calls, first, go = [], threading.Event(), threading.Event()
    real = os.fsync

    def slow(file):
        calls.append(file)
        first.set()
        assert go.wait(10)
        real(file)

    spool = Spool(tmp_path)
    put(spool, b"the file is there")
    monkeypatch.setattr(spooling.os, "fsync", slow)
    futures = [spool.put([b"0"], 1)]
    assert first.wait(10)
    futures += [spool.put([b"%d" % each], 1) for each in range(1, 500)]
    assert not any(each.done() for each in futures)  # nothing is promised before the disk has it
    go.set()
    for each in futures:
        each.result(10)
    assert len(calls) == 2
    assert drained(spool)[1:] == [b"%d" % each for each in range(500)]
    spool.close()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_after_a_failed_write_what_was_promised_is_there_and_nothing_else(tmp_path, monkeypatch, call):
    spool = Spool(tmp_path)
    put(spool, b"one")
    with monkeypatch.context() as broken:
        real = os.write

        def write(file, raw):
            if len(raw) > 8:
                return real(file, raw[:8])  # half of it, then no room
            raise OSError(28, "No space left on device")

        def fsync(file):
            raise OSError(5, "Input/output error")

        broken.setattr(spooling.os, call, {"write": write, "fsync": fsync}[call])
        with pytest.raises(OSError, match=r"No space|Input/output"):
            put(spool, b"two" * 10)
    put(spool, b"three")
    assert drained(spool) == [b"one", b"three"]
    spool.close()


def test_it_is_full_before_the_disk_is(tmp_path):
    spool = Spool(tmp_path, most=100)
    put(spool, b"x" * 40)
    with pytest.raises(SpoolFull):
        put(spool, b"y" * 40)
    assert drained(spool) == [b"x" * 40]
    put(spool, b"z" * 40)
    spool.close()


def test_one_process_a_folder(tmp_path):
    spool = Spool(tmp_path)
    with pytest.raises(SpoolBusy):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_files_are_for_their_owner_alone(tmp_path):
    spool = Spool(tmp_path / "new")
    put(spool, b"one")
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "new", *(tmp_path / "new").iterdir())} == {0}
    spool.close()


def test_a_file_whose_place_nobody_knows_is_named_and_kept(tmp_path):
    (tmp_path / "copy of 1.events").write_bytes(framed([b"one"], 1))
    with pytest.raises(OSError, match="copy of 1"):
        Spool(tmp_path)
    (tmp_path / "copy of 1.events").rename(tmp_path / "000000000001.events")
    spool = Spool(tmp_path)
    assert drained(spool) == [b"one"]
    spool.close()


WRITER = """
import sys
from pathlib import Path
from consent_stream.edge.spool import Spool
spool, number = Spool(Path(sys.argv[1]), segment=2000), 0
while True:
    puts = [spool.put([b"%d" % each], 1) for each in range(number, number + 7)]
    for each in puts:
        each.result()
        print(number, flush=True)
        number += 1
"""


def test_what_was_promised_before_a_kill_is_there(tmp_path):
    """SIGKILL at moments of its own choosing; each start goes on in the same folder."""
    promised = 0
    for after in (1, 40, 333):
        command = leashed([sys.executable, "-c", WRITER, str(tmp_path)])
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            for _ in range(after):
                assert writer.stdout.readline()
            writer.kill()
            told = after + len(writer.stdout.read().split())
        promised += told
        spool = Spool(tmp_path)
        found = [int(each) for each in drained(spool)]
        spool.close()
        assert found[:told] == list(range(told))
        assert len(found) <= told + 7
    assert promised >= 374
