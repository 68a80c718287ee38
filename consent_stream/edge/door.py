"""The door: an event is taken when Kafka has proven it, else when it is on the disk, else not at all."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.edge.metrics import Metrics
from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS

PATIENCE_S = 2.0  # for Kafka's word while somebody waits
LARGEST = 256 * 1024  # bytes of an event: what the intake reads (WIRE §1)
POLL_S = 0.1


class Unavailable(Exception):
    """Nothing could be taken, and nothing was promised. retry_after: seconds."""

    def __init__(self, retry_after: int = 5) -> None:
        super().__init__("events cannot be taken now")
        self.retry_after = retry_after


class Door(ABC):
    """Takes events. Laws: tests/contract/door."""

    @property
    @abstractmethod
    def open(self) -> bool:
        """Whether an event would be taken, as far as is known."""

    @abstractmethod
    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Take all of them, one record each, and return a receipt for each: `PARTITION:OFFSET` of `consent.events`
        when Kafka has proven it with acks=all, `spooled` when it is on the disk and will be sent.

        The same event twice does no harm: its id and content are the same. Errors: Unavailable when one could not be
        taken; others may have been. ValueError for an event beyond 256 KiB.
        """


def records_of(events: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The bytes of each. Errors: ValueError."""
    records = [orjson.dumps(each) for each in events]
    if any(len(each) > LARGEST for each in records):
        raise ValueError(f"an event has at most {LARGEST} bytes")
    return records


class KafkaDoor(Door):
    """Kafka alone. One thread serves the producer's reports."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()
        self._topic = EVENTS.full(settings.topic_prefix)
        self._producer = Producer(settings.producer(**{"message.timeout.ms": 5000, "linger.ms": 1, "log_level": 0}))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="edge-door", daemon=True)
        self._thread.start()

    @property
    def open(self) -> bool:
        return not self._closing.is_set()

    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        futures = [self._produce(loop, each) for each in records_of(events)]
        done, _ = await asyncio.wait(futures, timeout=PATIENCE_S)
        receipts = [future.result() if future in done else None for future in futures]
        if None in receipts:
            self._metrics.events("refused", len(events))
            raise Unavailable
        self._metrics.events("kafka", len(events))
        return tuple(each for each in receipts if each is not None)

    def _produce(self, loop: asyncio.AbstractEventLoop, record: bytes) -> asyncio.Future[str | None]:
        future: asyncio.Future[str | None] = loop.create_future()

        def settle(receipt: str | None) -> None:
            if not future.done():
                future.set_result(receipt)

        def report(error: KafkaError | None, message: Message) -> None:
            receipt = None if error else f"{message.partition()}:{message.offset()}"
            loop.call_soon_threadsafe(settle, receipt)

        try:
            self._producer.produce(self._topic, record, on_delivery=report)
        except (BufferError, KafkaException):
            settle(None)
        return future

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_S)

    def close(self) -> None:
        """Let go of the producer."""
        self._closing.set()
        self._thread.join()
        self._producer.flush(PATIENCE_S)
