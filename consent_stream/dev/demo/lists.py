"""The topics as any Kafka consumer sees them: read from the first record to the last, once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from consent_stream.settings import Settings
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import Entry, decode_entry

ANSWER_S = 10.0
AT_ONCE = 5000  # records


class Record(NamedTuple):
    """One record. headers: the last value of each name."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]


def read_topic(settings: Settings, topic: str) -> list[Record]:
    """Every record that is in the topic (full name) now, each partition in its order.

    Errors: KafkaException when the broker does not answer.
    """
    consumer = Consumer(settings.consumer(**{"group.id": "demo-unused", "log_level": 2}))  # no group is joined
    try:
        count = len(consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions)
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=ANSWER_S) for p in range(count)}
        left = {p: high for p, (low, high) in ends.items() if low < high}
        consumer.assign([TopicPartition(topic, p, ends[p][0]) for p in left])
        found: list[Record] = []
        while left:
            for message in _some(consumer, topic):
                p, offset = message.partition(), message.offset()
                if p in left and offset < left[p]:
                    headers = dict(message.headers() or [])
                    found.append(Record(p, offset, message.key() or b"", message.value() or b"", headers))
                    if offset + 1 >= left[p]:
                        del left[p]
        return found
    finally:
        consumer.close()


def _some(consumer: Consumer, topic: str) -> list[Message]:
    first = consumer.poll(ANSWER_S)
    if first is None:
        raise KafkaException(f"{topic}: no record within {ANSWER_S:g} s, and there are more")
    messages: list[Message] = [first, *consumer.consume(AT_ONCE, 0)]
    for message in messages:
        if message.error() is not None:
            raise KafkaException(message.error())
    return messages


def newest(records: Iterable[Record]) -> dict[bytes, bytes]:
    """The last value of each key, heartbeats aside."""
    return {record.key: record.value for record in records if record.key != HEARTBEAT_KEY}


def entries(rows: dict[bytes, bytes]) -> dict[bytes, Entry]:
    """The rows of a list, decoded."""
    return {key: decode_entry(value) for key, value in rows.items()}
