"""Mailers that read what `consent-stream gate follow` writes: what they say when it dies, and what they outlive."""

import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from consent_stream import Gate
from consent_stream.dev.leash import leashed
from tests.contract.gate.following import following, start
from tests.contract.gate.test_gate import COMPACT, SOON, ask, until
from tests.contract.gate.worker import Worker
from tests.gate.made import ANAS, RING, entry, grant, restriction

PEOPLE = 200


@pytest.fixture
def worker(embedded, prefix, make_topics):
    found = Worker(embedded, prefix)
    make_topics(embedded, {found.list: COMPACT, found.control: COMPACT})
    found.start()
    return found


@pytest.fixture
def store(tmp_path):
    return tmp_path / "replica"


def reader(worker, store, **over):
    return Gate(store=store, follow=False, keys=RING, topic_prefix=worker.prefix, **over)


def key_of(n):
    return RING.subject("acme", "email", f"p{n}@example.com")


def test_it_needs_no_follower_to_start_and_says_so(worker, store):
    with reader(worker, store) as gate:
        assert ask(gate).reasons == ("not_ready",)
        assert "no follower has written here yet" in gate.status().trouble
        worker.write((ANAS, entry(grant())))
        with worker.beating(), following(worker, store) as follower:
            assert follower.stdout.readline() == "ready\n"
            assert gate.wait_ready(SOON)
            assert ask(gate)


def test_a_directory_is_needed():
    with pytest.raises(ValueError, match="store"):
        Gate(follow=False)


def test_when_its_follower_is_killed_it_grows_stale_and_goes_on_with_the_next(worker, store):
    worker.write((ANAS, entry(grant(), version=1)))
    with worker.beating(), reader(worker, store, staleness_limit=1.5) as gate:
        with start(worker, store) as follower:
            assert gate.wait_ready(SOON)
            assert ask(gate)
            follower.kill()
        assert until(lambda: ask(gate).reasons == ("stale",))
        assert until(lambda: "no follower has written for" in (gate.status().trouble or ""))
        assert "gate follow" in gate.status().trouble
        worker.write((ANAS, entry(grant(), restriction(), version=2)))
        with following(worker, store):
            assert until(lambda: ask(gate).reasons == ("unsubscribed",))


def test_the_restart_of_a_follower_within_the_limit_is_not_felt(worker, store):
    worker.write((ANAS, entry(grant())))
    stop = threading.Event()
    with worker.beating(), reader(worker, store) as gate:
        with following(worker, store):
            assert gate.wait_ready(SOON)
        denied = []

        def watch():
            while not stop.wait(0.01):
                denied.append(ask(gate).reasons)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with following(worker, store) as follower:
                assert follower.stdout.readline() == "ready\n"
        finally:
            stop.set()
            watcher.join()
        assert set(denied) == {()}


def test_a_store_that_is_built_anew_is_found(worker, store):
    worker.write((ANAS, entry(grant(), version=1)))
    with worker.beating(), reader(worker, store) as gate:
        with following(worker, store):
            assert gate.wait_ready(SOON)
            assert ask(gate).version == 1
        shutil.rmtree(store / "rows")
        worker.write((ANAS, entry(grant(), version=2)))
        with following(worker, store):
            assert until(lambda: ask(gate).version == 2)


def test_another_channels_store_is_not_obeyed(worker, store):
    with worker.beating(), following(worker, store) as follower:
        assert follower.stdout.readline() == "ready\n"
        with reader(worker, store, channel="sms") as gate:
            verdict = gate.check(tenant="acme", phone="+12015550123", purpose="transactional")
            assert verdict.reasons == ("not_ready",)
            assert "each channel has a directory of its own" in gate.status().trouble


def test_what_was_written_in_another_boot_proves_nothing(worker, store, tmp_path, monkeypatch):
    worker.write((ANAS, entry(grant())))
    with worker.beating(), following(worker, store) as follower:
        assert follower.stdout.readline() == "ready\n"
    boot = tmp_path / "boot"
    boot.write_text("another boot\n")
    monkeypatch.setattr("consent_stream.gate.clock.BOOT_ID", boot)
    with reader(worker, store) as gate:
        assert ask(gate).reasons == ("not_ready",)
        assert "since this machine started" in gate.status().trouble


def test_two_followers_do_not_share_a_store(worker, store):
    with worker.beating(), following(worker, store) as follower:
        assert follower.stdout.readline() == "ready\n"
        with start(worker, store) as second:
            assert second.wait(SOON) == 2
            assert "follow=False" in second.stderr.read()


def test_the_status_of_a_store_can_be_asked_for(worker, store):
    command = [sys.executable, "-m", "consent_stream", "gate", "follow", "--store", str(store), "--status"]
    before = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert before.returncode == 1
    assert json.loads(before.stdout)["phase"] == "connecting"
    worker.write((ANAS, entry(grant())))
    with worker.beating(), following(worker, store) as follower:
        assert follower.stdout.readline() == "ready\n"
        told = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert told.returncode == 0
        assert json.loads(told.stdout)["entries"] == 1


FORKED = """
import os, sys, threading, time
from consent_stream import Gate
from tests.gate.made import RING
gate = Gate(store=sys.argv[1], follow=False, keys=RING, topic_prefix=sys.argv[2])
assert gate.wait_ready(20)
ask = lambda: gate.check(tenant="acme", email="ana@example.com", scope="news")
stop, wrong = threading.Event(), []
def hammer():
    while not stop.is_set():
        verdict = ask()
        if not verdict:
            wrong.append(verdict.reasons)
threads = [threading.Thread(target=hammer) for _ in range(3)]
for each in threads: each.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if all(ask() for _ in range(50)) else 3)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for each in threads: each.join()
assert not wrong, wrong[:3]
assert ask()
"""


def test_a_reader_goes_on_in_both_after_a_fork(worker, store):
    worker.write((ANAS, entry(grant())))
    with worker.beating(), following(worker, store) as follower:
        assert follower.stdout.readline() == "ready\n"
        ran = subprocess.run([sys.executable, "-c", FORKED, store, worker.prefix], capture_output=True, timeout=60)
        assert ran.returncode == 0, ran.stderr.decode()[-2000:]


def test_a_full_disk_is_told_and_denies_and_passes(worker, store):
    """RLIMIT_FSIZE stands for the disk: writes fail in the same places, with another code."""
    worker.write((ANAS, entry(grant())))
    with worker.beating(), start(worker, store) as follower, reader(worker, store, staleness_limit=1.5) as gate:
        try:
            assert gate.wait_ready(SOON)
            size = (store / "rows" / "data.mdb").stat().st_size
            _, hard = resource.prlimit(follower.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(follower.pid, resource.RLIMIT_FSIZE, (size + 4096, hard))
            worker.write(*((key_of(n), entry(grant(ident=f"g{n}"))) for n in range(2000)))
            assert until(lambda: ask(gate).reasons[:1] in (("stale",), ("not_ready",)))
            assert any("replica: " in line for line in iter(follower.stderr.readline, ""))
            resource.prlimit(follower.pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert until(lambda: gate.check(tenant="acme", email="p1999@example.com", scope="news"))
        finally:
            follower.send_signal(signal.SIGTERM)


@contextmanager
def asking(worker, store, many=2):
    """Mailers' processes; a list whose dead members may be replaced."""
    command = leashed([sys.executable, "-m", "tests.contract.gate.asking", str(store), worker.prefix, str(PEOPLE)])

    def mailer():
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    mailers = [mailer() for _ in range(many)]
    try:
        yield mailers, mailer
    finally:
        for each in mailers:
            each.kill()
            each.communicate()


def test_killed_at_any_point_followers_and_mailers_answer_as_if_nothing_had_happened(worker, store):
    rng = random.Random(5)
    versions, stop = [0] * PEOPLE, threading.Event()

    def write():
        while not stop.is_set():
            batch = rng.sample(range(PEOPLE), 20)
            for n in batch:
                versions[n] += 1
            worker.write(*((key_of(n), row_of(n, versions[n])) for n in batch))
            stop.wait(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with worker.beating(), asking(worker, store) as (mailers, mailer):
            for turn in range(6):
                with start(worker, store) as follower:
                    assert follower.stdout.readline() == "ready\n" if turn % 2 else True
                    stop.wait(rng.uniform(0.1, 0.9))
                    follower.kill()
                victim = mailers[turn % 2]
                assert victim.poll() is None, victim.stderr.read()
                victim.kill()
                victim.communicate()
                mailers[turn % 2] = mailer()
            with following(worker, store), reader(worker, store) as gate, memory(worker) as other:
                stop.set()
                writer.join()
                assert gate.wait_ready(SOON)
                assert other.wait_ready(SOON)
                questions = [{"tenant": "acme", "email": f"p{n}@example.com", "scope": "news"} for n in range(PEOPLE)]

                def said(by):
                    return [(each.reasons, each.facts, each.version) for each in by.check_many(questions)]

                wanted = [row_says(n, version) for n, version in enumerate(versions)]
                assert until(lambda: said(gate) == wanted)
                assert until(lambda: said(other) == wanted)
                for each in mailers:
                    assert until(lambda each=each: "allowed 0" not in each.stdout.readline())
                    assert each.poll() is None, each.stderr.read()
    finally:
        stop.set()
        writer.join()


def memory(worker):
    return Gate(bootstrap=worker.bootstrap, topic_prefix=worker.prefix, keys=RING)


def row_of(n, version):
    withdrawn = [restriction(ident=f"r{n}", hi=version)] if version % 2 else []
    return entry(grant(ident=f"g{n}"), *withdrawn, version=version)


def row_says(n, version):
    if not version:
        return ("no_consent",), (), 0
    return (("unsubscribed",), (f"r{n}",), version) if version % 2 else ((), (f"g{n}",), version)
