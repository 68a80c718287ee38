"""Records of sends on a broker: they arrive, they never hold up a mailer, and none is lost in silence."""

import os
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consent_stream import Gate
from consent_stream.dev.kafka import LocalKafka
from consent_stream.gate.sendlog import KafkaSendLog
from consent_stream.settings import Settings
from consent_stream.wire.send import decode_send
from tests.contract.gate.test_gate import COMPACT, SOON, gate_of, until
from tests.contract.gate.worker import PARTITIONS, Worker
from tests.gate.made import ANA, ANAS, entry, grant
from tests.wire.samples import SENDS

NOBODY = "127.0.0.1:1"
AT_ONCE = 0.5  # seconds for a hundred records; on a machine that others use
FORGETFUL = """
import sys
from consent_stream import Gate
gate = Gate(bootstrap=sys.argv[1], topic_prefix=sys.argv[2])
for number in range(50):
    with gate.sending(tenant="acme", email="ana@example.com", message_id=f"m-{number}") as permit:
        assert not permit
"""
FORKED = """
import os, sys, time
from consent_stream import Gate
gate = Gate(bootstrap=sys.argv[1], topic_prefix=sys.argv[2], report=False)
assert gate.wait_ready(20), gate.status().trouble

def send(message_id):
    with gate.sending(tenant="acme", email="ana@example.com", message_id=message_id) as permit:
        assert not permit

send("before")
while gate._sends.lost or gate._sends.waiting:
    time.sleep(0.02)
time.sleep(0.5)  # all clients are connected and at rest: a fork while one asks for a name takes glibc's lock along
child = os.fork()
send("child" if child == 0 else "parent")
if child:
    _, status = os.waitpid(child, 0)
    gate.close()
    sys.exit(os.waitstatus_to_exitcode(status))
"""


READER = """
import os, sys, time
from consent_stream import Gate
from consent_stream.wire.keys import Keyring
bootstrap, prefix, store = sys.argv[1:]
gate = Gate(bootstrap=bootstrap, topic_prefix=prefix, store=store, follow=False, keys=Keyring({0: bytes(32)}))
assert gate.wait_ready(20), gate.status().trouble

def send(message_id):
    with gate.sending(tenant="acme", email="ana@example.com", scope="news", message_id=message_id) as permit:
        assert permit.ensure(), permit

send("before")
while gate._sends.lost or gate._sends.waiting:
    time.sleep(0.02)
time.sleep(0.5)  # all clients are connected and at rest: a fork while one asks for a name takes glibc's lock along
child = os.fork()
send("child" if child == 0 else "parent")
if child:
    _, status = os.waitpid(child, 0)
    gate.close()
    sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def worker(request, prefix, make_topics):
    bootstrap = request.getfixturevalue(request.param)
    found = Worker(bootstrap, prefix)
    make_topics(bootstrap, {found.list: COMPACT, found.control: COMPACT, sends(found): {}})
    found.start()
    return found


def sends(worker):
    return f"{worker.prefix}consent.sends"


def found(worker):
    """(partition, key, send) of every record."""
    consumer = Consumer({"bootstrap.servers": worker.bootstrap, "group.id": "unused", "enable.partition.eof": True})
    records, open_ends = [], set(range(PARTITIONS))
    try:
        consumer.assign([TopicPartition(sends(worker), each, 0) for each in open_ends])
        while open_ends:
            for message in consumer.consume(100, 0.2):
                if message.error() is None:
                    records.append((message.partition(), message.key(), decode_send(message.value())))
                else:
                    assert message.error().code() == KafkaError._PARTITION_EOF
                    open_ends.discard(message.partition())
    finally:
        consumer.close()
    return records


def send(gate, message_id="m-1", **about):
    with gate.sending(tenant="acme", **{"email": ANA, "scope": "news", **about}, message_id=message_id) as permit:
        return permit.ensure()


def test_a_message_handed_over_and_one_held_back_are_in_the_topic(worker):
    worker.write((ANAS, entry(grant(), version=4)))
    with worker.beating(), gate_of(worker, sender="newsletter") as gate:
        assert gate.wait_ready(SOON)
        assert send(gate)
        assert not send(gate, "m-2", scope="offers")
    by_id = {each.message_id: (key, each) for _, key, each in found(worker)}
    assert {key for key, _ in by_id.values()} == {ANAS}
    (_, yes), (_, no) = by_id["m-1"], by_id["m-2"]
    assert (yes.outcome, yes.allow, yes.facts, yes.version) == ("handed_over", True, ("g1",), 4)
    assert yes.checked == yes.started <= yes.ended < yes.valid_until
    assert yes.applied_through <= yes.checked
    assert (no.outcome, no.allow, no.reasons) == ("held_back", False, ("no_consent",))
    assert (yes.sender, yes.gate) == (no.sender, no.gate) == ("newsletter", yes.gate)


def test_the_record_lies_in_the_partition_of_its_key_as_the_list_does(worker):
    """So that a job joins sends with lists partition by partition."""
    keys = [ANAS[:-1] + bytes([n]) for n in range(40)]
    with gate_of(worker) as gate:
        for number, key in enumerate(keys):
            send(gate, f"m-{number}", email=None, key=key.hex())
    worker.write(*((key, entry(grant())) for key in keys))
    consumer = Consumer({"bootstrap.servers": worker.bootstrap, "group.id": "unused", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(worker.list, each, 0) for each in range(PARTITIONS)])
    listed = {}
    try:
        assert until(lambda: listed.update(_places(consumer.consume(100, 0.1))) or len(listed) == len(keys))
    finally:
        consumer.close()
    placed = {key: partition for partition, key, _ in found(worker)}
    assert placed == listed
    assert len(set(placed.values())) == PARTITIONS


def _places(messages):
    return {each.key(): each.partition() for each in messages if each.error() is None}


def test_a_mailer_that_forgets_to_close_its_gate_loses_no_record(worker):
    subprocess.run([sys.executable, "-c", FORGETFUL, worker.bootstrap, worker.prefix], check=True, timeout=30)
    assert {each.message_id for _, _, each in found(worker)} == {f"m-{number}" for number in range(50)}


def test_a_forked_child_has_a_producer_of_its_own_and_ends(worker):
    with worker.beating():
        subprocess.run([sys.executable, "-c", FORKED, worker.bootstrap, worker.prefix], check=True, timeout=60)
    by_id = {each.message_id: each for _, _, each in found(worker)}
    assert sorted(by_id) == ["before", "child", "parent"]
    assert by_id["before"].gate == by_id["parent"].gate != by_id["child"].gate


def test_processes_that_only_read_a_store_tell_what_they_sent(worker, tmp_path):
    """As many as a prefork server has: one follows, the others ask and hand over."""
    worker.write((ANAS, entry(grant(), version=4)))
    with worker.beating(), gate_of(worker, tmp_path / "replica") as follower:
        assert follower.wait_ready(SOON)
        arguments = [worker.bootstrap, worker.prefix, str(tmp_path / "replica")]
        subprocess.run([sys.executable, "-c", READER, *arguments], check=True, timeout=60)
    by_id = {each.message_id: each for _, _, each in found(worker)}
    assert sorted(by_id) == ["before", "child", "parent"]
    assert {(each.outcome, each.version) for each in by_id.values()} == {("handed_over", 4)}
    assert by_id["parent"].gate != by_id["child"].gate


def test_kafka_away_holds_nothing_up_and_what_is_left_at_the_end_is_counted():
    log = KafkaSendLog(Settings(bootstrap=NOBODY), flush_seconds=0.2)
    began = time.monotonic()
    for _ in range(100):
        log.write(SENDS[0])
    assert time.monotonic() - began < AT_ONCE
    assert (log.waiting, log.lost) == (100, 0)
    log.close()
    assert time.monotonic() - began < 5
    assert (log.waiting, log.lost) == (0, 100)


def test_beyond_what_may_wait_records_are_lost_and_counted_at_once(caplog):
    log = KafkaSendLog(Settings(bootstrap=NOBODY), most_waiting=10, flush_seconds=0.1)
    for _ in range(25):
        log.write(SENDS[0])
    assert (log.waiting, log.lost) == (10, 15)
    assert "lost" in caplog.text
    assert caplog.text.count("lost") == 1, "a line a thousand, not a line each"
    log.close()
    log.write(SENDS[0])
    assert log.lost == 26


def test_a_gate_shows_what_was_lost(monkeypatch):
    monkeypatch.setattr("consent_stream.gate.sendlog.MOST_WAITING_KIB", 1)
    with Gate(bootstrap=NOBODY) as gate:
        assert gate.status().alarms == {}
        for number in range(20):
            send(gate, f"m-{number}")
        assert gate.status().alarms["sends_lost"] > 0
        gate._sends._flush_seconds = 0.1


def test_from_many_threads_every_record_arrives_once(worker):
    log = KafkaSendLog(Settings(bootstrap=worker.bootstrap, topic_prefix=worker.prefix))

    def write(first):
        for number in range(first, first + 100):
            log.write(SENDS[0]._replace(message_id=f"w-{number}"))

    threads = [threading.Thread(target=write, args=(100 * number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert until(lambda: log.lost == log.waiting == 0)
    log.close()
    assert sorted(each.message_id for _, _, each in found(worker)) == sorted(f"w-{number}" for number in range(500))


@pytest.mark.kafka
def test_what_waits_while_kafka_is_away_arrives_when_it_is_back(prefix, make_topics, tmp_path):
    with LocalKafka(data=tmp_path / "kafka") as broker:
        worker = Worker(broker.bootstrap, prefix)
        make_topics(broker.bootstrap, {sends(worker): {}})
        log = KafkaSendLog(Settings(bootstrap=broker.bootstrap, topic_prefix=prefix), most_waiting=50)
        log.write(SENDS[0]._replace(message_id="before"))
        assert until(lambda: log.waiting == log.lost == 0)
        broker.kill()
        for number in range(60):
            log.write(SENDS[0]._replace(message_id=f"away-{number}"))
        assert (log.waiting, log.lost) == (50, 10)
        broker.start()
        assert until(lambda: log.lost == 10 and log.waiting == 0, 30)
        log.write(SENDS[0]._replace(message_id="after"))
        log.close()
        assert log.lost == 10
        assert {each.message_id for _, _, each in found(worker)} == {
            "before", "after", *(f"away-{number}" for number in range(50))
        }  # fmt: skip


@pytest.mark.kafka
def test_a_topic_that_is_not_there_is_an_alarm(kafka, prefix):
    """`topics apply` was forgotten: a mailer goes on, and its gate says so."""
    log = KafkaSendLog(Settings(bootstrap=kafka, topic_prefix=prefix), flush_seconds=0.3)
    log.write(SENDS[0])
    log.close()
    assert log.lost == 1


def test_a_producer_that_lost_its_place_is_replaced(worker):
    class Broken:
        def poll(self, _):
            return 0

        def purge(self):
            pass

        def produce(self, *_, **__):
            raise KafkaException(KafkaError(KafkaError._FATAL, "lost its place", fatal=True))

    log = KafkaSendLog(Settings(bootstrap=worker.bootstrap, topic_prefix=worker.prefix))
    log._producer = Broken()
    log.write(SENDS[0])
    log.close()
    assert log.lost == 0
    assert len(found(worker)) == 1


def test_a_wrong_link_is_an_alarm_and_no_exception(monkeypatch):
    def refused(*_, **__):
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "no such mechanism"))

    monkeypatch.setattr("consent_stream.gate.sendlog.Producer", refused)
    log = KafkaSendLog(Settings(bootstrap=NOBODY))
    log.write(SENDS[0])
    log.close()
    assert log.lost == 1


def test_a_mailer_is_called_as_it_was_set_or_by_its_host():
    assert KafkaSendLog(Settings(sender="newsletter-7")).sender == "newsletter-7"
    assert KafkaSendLog(Settings()).sender == os.uname().nodename
