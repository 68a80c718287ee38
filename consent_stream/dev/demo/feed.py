"""Events into Kafka: single ones whose times are taken, and the crowd's stream at a steady pace in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.dev.demo.crowd import Said
from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS

PROOF_S = 10.0
PACE = 80  # events a second in the background


@dataclass
class Sent:
    """One record. clicked, accepted: when it was handed over, and when Kafka had proven it (µs, our clock)."""

    value: bytes = field(repr=False)
    code: str  # under which it must end in quarantine; empty for an event
    clicked: int
    partition: int = -1
    offset: int = -1
    accepted: int = 0

    @property
    def receipt(self) -> tuple[int, int]:
        """Its place in `consent.events`."""
        return self.partition, self.offset


class Feed:
    """Publishes to `consent.events`; remembers what was sent, for the audit at the end."""

    def __init__(self, settings: Settings) -> None:
        # A click must not wait for company. The crowd must: the embedded broker hands out one batch a fetch, and a
        # worker that comes back would be seconds behind a thousand batches of one record.
        self._clicks = Producer(settings.producer(**{"linger.ms": 0, "log_level": 2}))
        self._crowd = Producer(settings.producer(**{"linger.ms": 100, "log_level": 2}))
        self._topic = EVENTS.full(settings.topic_prefix)
        self._lock = threading.Lock()
        self._failed: KafkaError | None = None
        self._calm = threading.Event()
        self._thread: threading.Thread | None = None
        self.sent: list[Sent] = []

    def send(self, value: bytes, code: str = "", *, one_of_many: bool = False) -> Sent:
        """Hand one record over, without waiting."""
        producer = self._crowd if one_of_many else self._clicks
        sent = Sent(value, code, time.time_ns() // 1000)

        def proven(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failed = error
                return
            sent.accepted = time.time_ns() // 1000
            sent.partition, sent.offset = message.partition(), message.offset()

        with self._lock:
            self.sent.append(sent)
        producer.produce(self._topic, value, on_delivery=proven)
        return sent

    def prove(self, sent: Iterable[Sent]) -> list[Sent]:
        """Wait until Kafka has them all.

        Errors: KafkaException when it refuses one, or does not answer in time.
        """
        waiting, deadline = list(sent), time.monotonic() + PROOF_S
        for each in waiting:
            while not each.accepted:
                if self._failed is not None or time.monotonic() > deadline:
                    raise KafkaException(self._failed or KafkaError(KafkaError._MSG_TIMED_OUT))
                self._crowd.poll(0)
                self._clicks.poll(0.05)
        return waiting

    def tell(self, value: bytes) -> Sent:
        """Send one record and wait for its proof."""
        (sent,) = self.prove([self.send(value)])
        return sent

    def furthest(self) -> list[tuple[int, int]]:
        """The last receipt of every partition written so far."""
        with self._lock:
            sent = list(self.sent)
        last: dict[int, int] = {}
        for each in self.prove(sent):
            last[each.partition] = max(each.offset, last.get(each.partition, -1))
        return sorted(last.items())

    def stream(self, said: Iterator[Said]) -> Self:
        """Start sending in the background, PACE records a second, until `rest`."""
        self._calm.clear()
        self._thread = threading.Thread(target=self._stream, args=(said,), daemon=True)
        self._thread.start()
        return self

    def _stream(self, said: Iterator[Said]) -> None:
        for value, code in said:
            if self._calm.wait(1 / PACE):
                return
            self.send(value, code, one_of_many=True)
            self._crowd.poll(0)

    def rest(self) -> None:
        """Stop the background stream."""
        self._calm.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
