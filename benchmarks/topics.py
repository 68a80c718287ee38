"""Topics of a benchmark: made before a lap, read after it, deleted when it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

COMPACTED = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
KEPT = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}
READY_SECONDS = 15


def create(bootstrap: str, topics: Mapping[str, Mapping[str, str]], partitions: int) -> None:
    """Make each topic with its configuration, one replica; returns when every partition answers.

    Errors: KafkaException when one exists already, or is not there after `READY_SECONDS`.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [
        NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config))
        for name, config in topics.items()
    ]
    for future in admin.create_topics(wanted).values():
        future.result(30)
    await_leaders(admin, dict.fromkeys(topics, partitions))


def await_leaders(admin: AdminClient, partitions: Mapping[str, int]) -> None:
    """Return when every partition of new topics answers.

    CreateTopics answers before the new leaders do: for a moment they say NOT_LEADER_OR_FOLLOWER.
    """
    places = [TopicPartition(name, number) for name, count in partitions.items() for number in range(count)]
    deadline = time.monotonic() + READY_SECONDS
    while True:
        answers = admin.list_offsets({place: OffsetSpec.latest() for place in places}, request_timeout=10)
        try:
            for future in answers.values():
                future.result()
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def delete_containing(bootstrap: str, mark: str) -> None:
    """Delete every topic whose name contains `mark`: engines make topics of their own beside ours."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [name for name in admin.list_topics(timeout=10).topics if mark in name]
    if names:
        for future in admin.delete_topics(names).values():
            future.result(30)


def read_all(bootstrap: str, topic: str, partitions: int) -> Iterator[Message]:
    """Every committed record of `topic` from its beginning to the end it has now; in order within each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,  # a transaction's end marker takes an offset that no message will show
            "fetch.wait.max.ms": 20,
        }
    )
    left = set(range(partitions))
    try:
        starts = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in left]
        consumer.assign(starts)
        while left:
            for message in consumer.consume(10_000, 0.05):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
