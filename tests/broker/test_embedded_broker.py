"""The embedded broker: reachable from other processes, at a chosen port too, and honest about what it is."""

import socket
import subprocess
import sys

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.dev.broker import EmbeddedBroker
from consent_stream.dev.errors import DevError
from consent_stream.dev.ports import free_ports


def test_records_pass_between_clients(embedded, prefix):
    _pass_one_record(embedded, f"{prefix}topic")


def test_a_chosen_port_is_one_to_start_from(prefix):
    (port,) = free_ports(1)
    with EmbeddedBroker(port) as broker:
        assert broker.bootstrap == f"127.0.0.1:{port}"
        _pass_one_record(broker.bootstrap, f"{prefix}topic")


def test_a_taken_port_is_said_at_once(embedded):
    port = int(embedded.rpartition(":")[2])
    with pytest.raises(DevError, match=f"port {port} on 127.0.0.1 is taken"):
        EmbeddedBroker(port).start()


def test_a_topic_appears_when_asked_for_with_four_partitions(embedded, prefix):
    admin = AdminClient({"bootstrap.servers": embedded})
    assert len(admin.list_topics(f"{prefix}new", timeout=5).topics[f"{prefix}new"].partitions) == 4


def test_it_listens_on_loopback_only(embedded):
    port = int(embedded.rpartition(":")[2])
    with open("/proc/net/tcp") as table:
        listeners = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [each for each in listeners if each.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_the_command_says_what_it_is_and_stops_in_order():
    command = [sys.executable, "-m", "consent_stream", "dev", "broker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        host, _, port = running.stdout.readline().removeprefix("ready ").strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            running.terminate()
            assert running.wait(10) == 0
        assert "no durability" in running.stderr.read()


def _pass_one_record(bootstrap: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    producer.produce(topic, b"value", b"key", partition=2)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 2, 0)])
    record = consumer.poll(10)
    consumer.close()
    assert (record.key(), record.value()) == (b"key", b"value")
