"""Reports of gates on a broker: they come by themselves, hold up nobody, and end with a goodbye."""

import subprocess
import sys
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from consent_stream import Gate
from consent_stream.gate import reporting
from consent_stream.wire.gate_report import decode_report
from tests.contract.gate.following import following
from tests.contract.gate.test_gate import COMPACT, SOON, Followed, ask, gate_of, until
from tests.contract.gate.worker import PARTITIONS, Worker
from tests.gate.made import ANAS, entry, grant

NOBODY = "127.0.0.1:1"
FORGETFUL = """
import sys, time
from consent_stream import Gate
gate = Gate(bootstrap=sys.argv[1], topic_prefix=sys.argv[2])
assert gate.wait_ready(20), gate.status().trouble
time.sleep(1.5)
"""
FORKED = """
import os, sys, time
from consent_stream import Gate
gate = Gate(bootstrap=sys.argv[1], topic_prefix=sys.argv[2])
assert gate.wait_ready(20), gate.status().trouble
time.sleep(1.5)  # all clients are connected and at rest: a fork while one asks for a name takes glibc's lock along
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    time.sleep(1.5)
    sys.exit(os.waitstatus_to_exitcode(status))
gate.close()
"""

READING = """
import sys
from consent_stream import Gate
gate = Gate(store=sys.argv[1], follow=False)
assert gate.wait_ready(20), gate.status().trouble
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A fifth of a second instead of one, in this process."""
    monkeypatch.setattr(reporting, "EVERY", 0.2)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def worker(request, prefix, make_topics):
    bootstrap = request.getfixturevalue(request.param)
    found = Worker(bootstrap, prefix)
    make_topics(bootstrap, {found.list: COMPACT, found.control: COMPACT, topic_of(found): {}})
    found.start()
    return found


def topic_of(worker):
    return f"{worker.prefix}consent.gates"


def reports(worker):
    """All there are, oldest first; each under the id of its gate, and in the one partition that is read."""
    consumer, records = Consumer({"bootstrap.servers": worker.bootstrap, "group.id": "unused", "log_level": 2}), []
    try:
        place = TopicPartition(topic_of(worker), 0, 0)
        _, end = consumer.get_watermark_offsets(place, timeout=SOON)
        consumer.assign([place])
        while len(records) < end:
            for message in consumer.consume(end - len(records), 0.2):
                assert message.error() is None
                records.append(decode_report(message.value()))
                assert message.key() == records[-1].gate.encode()
        return records
    finally:
        consumer.close()


def test_a_gate_says_how_far_it_is_and_says_goodbye(worker):
    worker.write((ANAS, entry(grant())))
    with worker.beating(offset=7), gate_of(worker, sender="newsletter", staleness_limit=5) as gate:
        assert gate.wait_ready(SOON)
        assert until(lambda: any(each.ready for each in reports(worker)))
        worker.beat(offset=9)
        assert until(lambda: any(each.settled and each.settled[0].offset == 9 for each in reports(worker)))
    *_, last = found = reports(worker)
    assert {(each.gate, each.name, each.channel, each.list) for each in found} == {
        (last.gate, "newsletter", "email", worker.list)
    }
    ready = [each for each in found if each.ready]
    assert ready[-1].entries == 1
    assert {(each.partitions, each.events, each.staleness_limit) for each in ready} == {
        (PARTITIONS, PARTITIONS, 5 * 10**6)
    }
    assert all(ready[-1].started < each.written for each in found)
    assert ready[-1].control == 2
    assert [each.closing for each in found] == [False] * (len(found) - 1) + [True]
    assert (last.phase, last.ready, last.settled) == ("closed", False, {})


def test_a_switch_is_in_the_report_of_a_gate_that_denies(worker):
    worker.write((ANAS, entry(grant())))
    with worker.beating(), gate_of(worker) as gate:
        assert gate.wait_ready(SOON)
        worker.switch(True)
        assert until(lambda: any(each.control == 3 for each in reports(worker)))
        assert ask(gate).reasons == ("stopped",)


def test_the_follower_of_a_store_reports_for_its_readers(worker, tmp_path):
    store = Followed(tmp_path / "replica")
    with worker.beating(), following(worker, tmp_path / "replica") as follower:
        assert follower.stdout.readline() == "ready\n"
        child = subprocess.Popen(
            [sys.executable, "-c", READING, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        try:
            assert until(lambda: any(each.ready for each in reports(worker)))
        finally:
            child.communicate("")
    assert len({each.gate for each in reports(worker)}) == 1


def test_a_gate_that_no_mailer_asks_is_not_counted(worker):
    with worker.beating(), gate_of(worker, report=False) as gate:
        assert gate.wait_ready(SOON)
        time.sleep(5 * reporting.EVERY)
    assert reports(worker) == []


@pytest.mark.parametrize("script", [FORGETFUL, FORKED], ids=["forgets to close", "forks"])
def test_a_mailer_says_goodbye_once_when_it_ends(worker, script):
    with worker.beating():
        command = [sys.executable, "-c", script, worker.bootstrap, worker.prefix]
        ran = subprocess.run(command, capture_output=True, timeout=60)
        assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    found = reports(worker)
    assert len({each.gate for each in found}) == 1
    assert [each.closing for each in found] == [False] * (len(found) - 1) + [True]
    assert len(found) >= 2


def test_a_kafka_that_is_away_holds_up_neither_a_check_nor_the_end():
    with Gate(bootstrap=NOBODY) as gate:
        time.sleep(3 * reporting.EVERY)
        began = time.perf_counter()
        for _ in range(100):
            ask(gate)
        assert time.perf_counter() - began < 0.5
        assert gate.status().alarms == {}
        began = time.perf_counter()
    assert time.perf_counter() - began < 4


@pytest.mark.kafka
def test_a_gate_whose_reports_are_refused_works_and_says_so(kafka, prefix, make_topics, caplog):
    """A topic that takes no record of its size stands for one that the gate may not write to."""
    worker = Worker(kafka, prefix)
    make_topics(kafka, {worker.list: COMPACT, worker.control: COMPACT, topic_of(worker): {"max.message.bytes": "10"}})
    worker.start()
    worker.write((ANAS, entry(grant())))
    with worker.beating(), gate_of(worker) as gate:
        assert gate.wait_ready(SOON)
        assert until(lambda: gate.status().alarms == {"reports_refused": 1})
        assert ask(gate)
        assert gate.status().trouble is None
    told = [each for each in caplog.messages if topic_of(worker) in each]
    assert len(told) == 1
    assert "cannot say what it obeys" in told[0]


@pytest.mark.kafka
def test_a_gate_makes_no_topic_for_its_reports(kafka, prefix, make_topics, caplog):
    worker = Worker(kafka, prefix)
    make_topics(kafka, {worker.list: COMPACT, worker.control: COMPACT})
    worker.start()
    with worker.beating(), gate_of(worker) as gate:
        assert gate.wait_ready(SOON)
        assert until(lambda: any("topics apply" in each for each in caplog.messages))
        assert gate.status().alarms == {}
    listed = Consumer({"bootstrap.servers": kafka, "group.id": "unused"}).list_topics(timeout=10)
    assert topic_of(worker) not in listed.topics
