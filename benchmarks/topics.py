"""Topics of a benchmark: made before a lap, read after it, deleted when it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
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
    _await_leaders(admin, [TopicPartition(name, number) for name in topics for number in range(partitions)])


def _await_leaders(admin: AdminClient, places: list[TopicPartition]) -> None:
    # CreateTopics answers before the new leaders do: for a moment they say NOT_LEADER_OR_FOLLOWER.
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
    """Every committed record of `topic` from its beginning to the end it has now, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,  # a transaction's end marker takes an offset that no message will show
        }
    )
    try:
        for number in range(partitions):
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            consumer.assign([TopicPartition(topic, number, low)])
            yield from _to_the_end(consumer)
    finally:
        consumer.close()


def _to_the_end(consumer: Consumer) -> Iterator[Message]:
    while True:
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is None:
                yield message
            elif error.name() == "_PARTITION_EOF":
                return
            else:
                raise KafkaException(error)
