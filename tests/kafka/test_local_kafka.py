"""`consent-stream dev kafka` and the class behind it: it answers, stops, comes back and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from consent_stream.dev.errors import DevError
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.ports import free_ports

pytestmark = pytest.mark.kafka
DEV_KAFKA = [sys.executable, "-m", "consent_stream", "dev", "kafka"]


def test_a_compacted_topic_takes_and_returns_records(kafka, prefix, make_topics):
    topic = f"{prefix}kept"
    make_topics(kafka, {topic: {"cleanup.policy": "compact"}}, partitions=2)
    _produce(kafka, topic, [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert sorted(_consume(kafka, topic, 3)) == [(b"a", b"1"), (b"a", b"3"), (b"b", b"2")]


def test_a_misspelt_topic_fails_instead_of_appearing(kafka, prefix):
    producer = Producer({"bootstrap.servers": kafka, "message.timeout.ms": 3000, "log_level": 0})
    errors = []
    producer.produce(f"{prefix}nobody-made-this", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert len(errors) == 1
    assert errors[0] is not None


def test_records_survive_a_kill_on_the_same_port(tmp_path, kafka, make_topics):
    with LocalKafka(data=tmp_path / "data", heap="384m") as broker:
        make_topics(broker.bootstrap, {"kept": {}}, partitions=1)
        _produce(broker.bootstrap, "kept", [(b"a", b"1")])
        before = broker.bootstrap
        broker.kill()
        broker.start()
        assert broker.bootstrap == before
        assert _consume(broker.bootstrap, "kept", 1) == [(b"a", b"1")]


def test_a_taken_port_is_said_at_once(kafka):
    port = int(kafka.rpartition(":")[2])
    with pytest.raises(DevError, match=rf"port {port} .* is taken"):
        LocalKafka(port).start()


def test_a_port_lost_between_choice_and_start_is_chosen_again(kafka, monkeypatch):
    taken = int(kafka.rpartition(":")[2])
    answers = iter([[taken, taken], free_ports(2)])
    monkeypatch.setattr("consent_stream.dev.kafka.free_ports", lambda count: next(answers))
    with LocalKafka(heap="384m") as broker:
        assert broker.bootstrap != kafka


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_ready_and_stops_on_a_signal(how, kafka):
    with subprocess.Popen(DEV_KAFKA, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        line = command.stdout.readline()
        port = int(line.removeprefix("ready 127.0.0.1:"))
        jvm = _jvms_with(str(port))
        assert len(jvm) == 1
        command.send_signal(how)
        assert command.wait(30) == 0
        assert command.stdout.read() == "", "stdout is for the ready line alone"
        assert "starting Kafka" in command.stderr.read()
    assert not _jvms_with(str(port))


def test_no_java_outlives_a_killed_command(tmp_path, kafka):
    data = tmp_path / "data"
    command = [*DEV_KAFKA, "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout.readline().startswith("ready ")
        assert len(_jvms_with(str(data))) == 1
        running.kill()
    deadline = time.monotonic() + 5
    while _jvms_with(str(data)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _jvms_with(str(data))


def _jvms_with(word: str) -> list[int]:
    """Brokers whose command line or settings file names `word`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:  # it ended meanwhile
            continue
        if "kafka.Kafka" in arguments and int(entry.name) != os.getpid():
            settings = Path(arguments[arguments.index("kafka.Kafka") + 1])
            text = settings.read_text() if settings.exists() else ""
            if word in " ".join(arguments) or f":{word}," in text:
                found.append(int(entry.name))
    return found


def _produce(bootstrap: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for key, value in records:
        producer.produce(topic, value, key)
    assert producer.flush(20) == 0


def _consume(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, bytes]]:
    settings = {"bootstrap.servers": bootstrap, "group.id": f"{topic}-reader", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    records = []
    deadline = time.monotonic() + 20
    while len(records) < count and time.monotonic() < deadline:
        record = consumer.poll(0.2)
        if record is not None and not record.error():
            records.append((record.key(), record.value()))
    consumer.close()
    return records
