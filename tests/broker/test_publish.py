"""`consent-stream publish`: every line as it stands, a receipt for each, and the truth when some are unproven."""

import json
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition

from consent_stream.cli import main
from consent_stream.dev.broker import EmbeddedBroker
from consent_stream.publisher import Publisher, Unproven
from consent_stream.settings import Settings


@pytest.fixture
def publish(embedded, prefix):
    def run(*arguments, lines=b""):
        place = ["--bootstrap", embedded, "--topic-prefix", prefix]
        return CliRunner().invoke(main, ["publish", *place, *arguments], input=lines)

    return run


def test_lines_arrive_byte_for_byte_and_empty_ones_not_at_all(publish, embedded, prefix, tmp_path):
    file = tmp_path / "events"
    file.write_bytes(b'{"a": 1}\n\n  two \r\n\r\n\xff\x00\xc3\nlast')
    receipts = publish(str(file)).stdout.split()
    assert len(receipts) == 4
    assert _records(embedded, f"{prefix}consent.events", receipts) == [
        b'{"a": 1}',
        b"  two \r",
        b"\xff\x00\xc3",
        b"last",
    ]


def test_json_receipts_name_the_line(publish, tmp_path):
    file = tmp_path / "events"
    file.write_bytes(b"one\n\nthree\n")
    told = [json.loads(line) for line in publish(str(file), "--json").stdout.splitlines()]
    assert [each["line"] for each in told] == [1, 3]
    assert all(each["partition"] >= 0 and each["offset"] >= 0 for each in told)


def test_many_lines_have_receipts_in_the_order_of_the_lines(publish, embedded, prefix, tmp_path):
    file = tmp_path / "events"
    file.write_bytes(b"".join(b"%d\n" % each for each in range(5_000)))
    receipts = publish(str(file)).stdout.split()
    assert _records(embedded, f"{prefix}consent.events", receipts) == [b"%d" % each for each in range(5_000)]


def test_a_pipe_that_is_slow_gets_each_receipt_at_once(embedded, prefix):
    command = [
        sys.executable,
        "-m",
        "consent_stream",
        "publish",
        "-",
        "--bootstrap",
        embedded,
        "--topic-prefix",
        prefix,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as running:
        for number in range(2):
            running.stdin.write(b"event\n")
            partition, _, offset = running.stdout.readline().partition(b":")
            assert (int(partition) >= 0, int(offset) >= 0) == (True, True), number
        running.stdin.close()
        assert running.wait(10) == 0


def test_a_record_that_no_client_may_send_stops_with_its_line(publish, tmp_path):
    file = tmp_path / "events"
    file.write_bytes(b"fine\n" + b"x" * 3_000_000 + b"\n")
    refused = publish(str(file))
    assert refused.exit_code == 1
    assert len(refused.stdout.split()) == 1
    assert "line 2" in refused.stderr
    assert "unproven: 1" in refused.stderr


def test_a_broker_that_goes_away_leaves_records_unproven_and_says_how_many(monkeypatch):
    monkeypatch.setattr("consent_stream.publisher.DELIVERY_MS", 1_500)
    broker = EmbeddedBroker().start()
    publisher = Publisher(Settings(bootstrap=broker.bootstrap))
    publisher.send(1, b"proven")
    assert [each.line for each in publisher.rest()] == [1]
    broker.stop()
    publisher.send(2, b"lost")
    publisher.send(3, b"lost too")
    with pytest.raises(Unproven, match=r"line 2: .*; records unproven: 2"):
        list(publisher.rest())


def _records(bootstrap: str, topic: str, receipts: list[str]) -> list[bytes]:
    """The records at these receipts, in the order of the receipts."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    wanted = [tuple(map(int, each.split(":"))) for each in receipts]
    consumer.assign([TopicPartition(topic, each, 0) for each in {partition for partition, _ in wanted}])
    found: dict[tuple[int, int], bytes] = {}
    deadline = time.monotonic() + 10
    while len(found) < len(wanted) and time.monotonic() < deadline:
        for record in consumer.consume(500, 0.2):
            found[record.partition(), record.offset()] = record.value()
    consumer.close()
    return [found[each] for each in wanted]
