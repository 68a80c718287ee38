"""Proven produce: blocking calls that return only when every record is on the broker, and raise otherwise.

Neither Faust's nor aiokafka's flush proves anything. librdkafka's does: `flush()` returned 0 and no delivery error was
reported, or the transaction committed.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from .failure import EngineError
from .kafka import KafkaClients, client_log

Headers = list[tuple[str, bytes]]

_TUNING = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 5,  # flush() does not wait for it; it only matters while a batch is still being queued
    "batch.num.messages": 10_000,
    "compression.type": "lz4",
    # Room for one slice's effects always: a full queue would have to be waited for record by record.
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1 << 20,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 500,
}


class Effects:
    """Records to be produced, grouped so that one call queues many: (topic, partition) → messages."""

    __slots__ = ("count", "groups", "headed")

    def __init__(self) -> None:
        self.groups: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        self.headed: list[tuple[str, bytes | None, bytes | None, int, Headers]] = []
        self.count = 0

    def add(self, topic: str, key: bytes | None, value: bytes | None, partition: int, headers: Headers | None) -> None:
        self.count += 1
        if headers:  # produce_batch cannot carry headers
            self.headed.append((topic, key, value, partition, headers))
        else:
            self.groups[topic, partition].append({"key": key, "value": value})


class Outbox:
    """An idempotent producer. `deliver` returns when all effects are proven.

    Successes cost no Python: only errors are reported (`delivery.report.only.error`), to one callback.
    """

    fenced = False

    def __init__(self, kafka: KafkaClients, *, timeout: float = 120.0) -> None:
        self.timeout = timeout
        self._errors: list[Any] = []
        self._lock = threading.Lock()  # one delivery at a time: a flush would wait for another caller's records too
        over = {"message.timeout.ms": int(timeout * 1000), "delivery.report.only.error": True}
        self.producer = Producer(kafka.producer(**_TUNING, **over), on_delivery=self._report, logger=client_log)

    def _report(self, error: Any, record: Any) -> None:
        if error is not None:  # its own text does not say which topic refused
            self._errors.append(KafkaError(error.code(), f"{record.topic()}: {error.str()}"))

    def warm(self, topics: list[str]) -> None:
        """Look up leaders before the first record has to wait for them."""
        for topic in topics:
            self.producer.list_topics(topic, timeout=self.timeout)

    def deliver(self, effects: Effects) -> None:
        """Errors: KafkaException or EngineError when any record is refused or unproven."""
        with self._lock:
            _queue(self.producer, effects)
            self._prove()

    def _prove(self) -> None:
        left = self.producer.flush(self.timeout)
        if self._errors:
            raise KafkaException(self._errors[0])
        if left:
            raise EngineError(f"{left} records unproven after {self.timeout:.0f} s")

    def close(self) -> None:
        self.producer.flush(0)


class FencedOutbox:
    """A transactional producer: a later owner's `init_transactions()` makes the broker refuse this one's writes.

    Measured without it: a worker frozen past its session woke up and wrote older state over newer (839 of 79,725
    keys). Source: KIP-98.
    """

    fenced = True

    def __init__(self, kafka: KafkaClients, transactional_id: str, *, timeout: float = 30.0) -> None:
        # A transaction lasts milliseconds. One left open by a dead owner holds every read_committed reader back until
        # the next owner ends it, or this timeout does.
        self.timeout = timeout
        over = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(timeout * 1000),
            "message.timeout.ms": int(timeout * 1000),
        }
        self.producer = Producer(kafka.producer(**_TUNING, **over), logger=client_log)
        self.producer.init_transactions(timeout)

    def warm(self, topics: list[str]) -> None:
        for topic in topics:
            self.producer.list_topics(topic, timeout=self.timeout)

    def begin(self, effects: Effects) -> None:
        self.producer.begin_transaction()
        _queue(self.producer, effects)

    def commit(self, changelog: list[dict[str, Any]], topic: str, partition: int) -> int | None:
        """Add the changelog records and commit. Returns the offset after the last of them, None when there are none.

        Errors: KafkaException when fenced, refused or unproven (the commit fails if any record does).
        """
        last: list[int] = []
        if changelog:
            changelog[-1]["callback"] = lambda error, record: last.append(record.offset()) if error is None else None
            _queue_group(self.producer, topic, partition, changelog)
        self.producer.commit_transaction(self.timeout)
        self.producer.poll(0)
        return last[0] + 1 if last else None

    def close(self) -> None:
        self.producer.flush(0)


def _queue(producer: Producer, effects: Effects) -> None:
    for (topic, partition), messages in effects.groups.items():
        _queue_group(producer, topic, partition, messages)
    for topic, key, value, partition, headers in effects.headed:
        producer.produce(topic, key=key, value=value, partition=partition, headers=headers)


def _queue_group(producer: Producer, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
    queued = producer.produce_batch(topic, messages, partition=partition)
    if queued != len(messages):
        raise KafkaException(next(message["_error"] for message in messages if "_error" in message))
