"""Proven produce on the embedded broker: what is refused raises, keys land where the Java client would put them."""

import socket

import confluent_kafka as ck
import pytest
from aiokafka.partitioner import murmur2

from consent_stream.engine import PlainKafka
from consent_stream.engine.outbox import Effects, Outbox


def read(bootstrap: str, topic: str) -> list[ck.Message]:
    over = {"group.id": "reader-unused", "enable.partition.eof": True, "fetch.wait.max.ms": 10}
    consumer = ck.Consumer(PlainKafka(bootstrap).consumer(**over))
    consumer.assign([ck.TopicPartition(topic, partition, ck.OFFSET_BEGINNING) for partition in range(4)])
    found, left = [], 4
    while left:
        message = consumer.poll(5)
        assert message is not None
        if message.error() is None:
            found.append(message)
        else:
            left -= 1
    consumer.close()
    return found


def test_delivered_means_readable(embedded: str, prefix: str) -> None:
    """Partitions by murmur2 (librdkafka's default, CRC32, would split a key's state over two owners); headers kept."""
    outbox = Outbox(PlainKafka(embedded), timeout=10)
    effects = Effects()
    keys = [b"%d" % n for n in range(50)]
    for key in keys:
        effects.add(f"{prefix}-t", key, b"v", -1, None)
    effects.add(f"{prefix}-t", b"h", None, 2, [("why", b"\x00\xff")])
    outbox.deliver(effects)
    found = {message.key(): message for message in read(embedded, f"{prefix}-t")}
    assert set(found) == {*keys, b"h"}
    assert all(found[key].partition() == (murmur2(key) & 0x7FFFFFFF) % 4 for key in keys)
    assert (found[b"h"].partition(), found[b"h"].value(), found[b"h"].headers()) == (2, None, [("why", b"\x00\xff")])


def test_a_refused_record_raises(embedded: str, prefix: str) -> None:
    """Trap: a flush of Faust or aiokafka proves nothing; here one bad record fails the whole delivery."""
    outbox = Outbox(PlainKafka(embedded), timeout=10)
    effects = Effects()
    effects.add(f"{prefix}-t", b"k", b"v", 0, None)
    effects.add(f"{prefix}-t", b"k", b"v", 99, None)
    with pytest.raises(ck.KafkaException, match=f"UNKNOWN_PARTITION.*{prefix}-t"):
        outbox.deliver(effects)


def test_a_record_too_large_raises(embedded: str, prefix: str) -> None:
    effects = Effects()
    effects.add(f"{prefix}-t", b"k", b"v" * (5 << 20), 0, None)
    with pytest.raises(ck.KafkaException, match="MSG_SIZE_TOO_LARGE"):
        Outbox(PlainKafka(embedded), timeout=10).deliver(effects)


def test_a_silent_broker_raises(prefix: str) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        outbox = Outbox(PlainKafka(f"127.0.0.1:{deaf.getsockname()[1]}"), timeout=0.5)
        effects = Effects()
        effects.add(f"{prefix}-t", b"k", b"v", 0, None)
        with pytest.raises(Exception, match=r"MSG_TIMED_OUT|unproven"):
            outbox.deliver(effects)
        outbox.producer.purge()
