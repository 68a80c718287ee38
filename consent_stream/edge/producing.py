"""Records to `consent.events`, and when Kafka has proven them. One thread serves the reports of one producer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS

PATIENCE_MS = 2000  # for Kafka's word while somebody waits; librdkafka looks once a second, so it can be 3 s
QUEUED = 50_000  # records on their way; more go to the spool
POLL_S = 0.1
REACH_S = 1.0

Receipt = str | None  # PARTITION:OFFSET; None: not proven
Ticket = TypeVar("Ticket")  # by which who asked knows a record again


class Sending(Generic[Ticket]):
    """A producer that is made anew when librdkafka gives it up. told: is handed the tickets that were decided, many at
    once, on the thread that serves reports."""

    def __init__(self, settings: Settings, told: Callable[[list[tuple[Ticket, Receipt]]], None]) -> None:
        self._settings, self._told = settings, told
        self._topic = EVENTS.full(settings.topic_prefix)
        self._decided: deque[tuple[Ticket, Receipt]] = deque()
        self._closing = threading.Event()
        self._producer = self._made()
        self._thread = threading.Thread(target=self._serve, name="edge-reports", daemon=True)
        self._thread.start()

    def send(self, record: bytes, ticket: Ticket) -> bool:
        """Hand one record over; whether its ticket will be decided. False: it was not taken at all."""

        def report(error: KafkaError | None, message: Message) -> None:
            self._decided.append((ticket, None if error else f"{message.partition()}:{message.offset()}"))

        try:
            self._producer.produce(self._topic, record, on_delivery=report)
        except BufferError:
            return False
        except KafkaException as error:
            if error.args[0].fatal() or error.args[0].code() == KafkaError._FATAL:
                given_up, self._producer = self._producer, self._made()
                given_up.purge()
                given_up.flush(0)  # the reports of what was on its way: not proven
            return False
        return True

    def reach(self) -> bool:
        """Whether Kafka answers for the topic now; waits up to a second."""
        try:
            found = self._producer.list_topics(self._topic, timeout=REACH_S)
        except KafkaException:
            return False
        return found.topics[self._topic].error is None

    def close(self) -> None:
        """Wait for what is on its way."""
        self._producer.flush(PATIENCE_MS / 1000 + 1)
        self._closing.set()
        self._thread.join()

    def _made(self) -> Producer:
        own = {
            "message.timeout.ms": PATIENCE_MS,
            "queue.buffering.max.messages": QUEUED,
            "linger.ms": 1,
            "log_level": 0,
        }
        return Producer(self._settings.producer(**own))

    def _serve(self) -> None:
        while not self._closing.is_set() or self._decided:
            self._producer.poll(POLL_S)
            if count := len(self._decided):
                self._told([self._decided.popleft() for _ in range(count)])
