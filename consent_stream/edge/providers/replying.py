"""One answer at most: `sms.replies` is read back before it is written to.

Several edges read the same topic; between two of them, and in the moment before one reads what the other wrote, two
records can stand there. They differ in nothing that matters: who sends texts sends the first of a subject key and kind
within five minutes, and none after `send_before`. What cannot be written at once is not written later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing

import orjson
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from consent_stream.edge.providers.answers import WITHIN_US, Answer
from consent_stream.settings import Settings
from consent_stream.wire.acls import UNJOINED
from consent_stream.wire.topics import REPLIES

log = logging.getLogger(__name__)
DELIVERY_MS = 3000  # Twilio waits 15 s for its webhook
READ_S = 5.0


class Replying:
    """Opened by the first answer. clock: µs. `offer` blocks; one at a time."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._settings, self._clock = settings, clock
        self._topic = REPLIES.full(settings.topic_prefix)
        self._lock = threading.Lock()
        self._said: dict[tuple[bytes, str], int] = {}  # µs of the last answer
        self._next: int | None = None  # offset up to which the topic was read
        self._producer: Producer | None = None

    def offer(self, answer: Answer) -> str:
        """`answered`; `answered before`; `unanswered` when Kafka is away or slow: then it never is."""
        with self._lock:
            try:
                self._read_back()
            except KafkaException:
                return "unanswered"
            now = self._clock()
            self._said = {each: at for each, at in self._said.items() if now - at < WITHIN_US}
            if (answer.key, answer.kind) in self._said:
                return "answered before"
            self._said[answer.key, answer.kind] = now  # before it is sent: a lost report must not lead to a second one
            return "answered" if self._sent(answer) else "unanswered"

    def _sent(self, answer: Answer) -> bool:
        if self._producer is None:
            over = {"message.timeout.ms": DELIVERY_MS, "linger.ms": 0, "log_level": 0}
            self._producer = Producer(self._settings.producer(**over))
        proven: list[bool] = []

        def told(error: object, message: Message) -> None:
            proven.append(error is None)

        try:
            self._producer.produce(self._topic, orjson.dumps(answer.record), answer.key, on_delivery=told)
        except (BufferError, KafkaException):
            return False
        self._producer.flush(2 * DELIVERY_MS / 1000)
        return proven == [True]

    def _read_back(self) -> None:
        """What stands there of the last five minutes. Errors: KafkaException."""
        conf = self._settings.consumer(**{"group.id": UNJOINED["replies"], "log_level": 0})
        with closing(Consumer(conf)) as consumer:
            _, end = consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=READ_S)
            since = (self._clock() - WITHIN_US) // 1000
            [found] = consumer.offsets_for_times([TopicPartition(self._topic, 0, since)], timeout=READ_S)
            start = found.offset if self._next is None else self._next
            if found.offset < 0 or start >= end:
                self._next = end
                return
            consumer.assign([TopicPartition(self._topic, 0, max(start, found.offset))])
            self._take(consumer, end)
        self._next = end

    def _take(self, consumer: Consumer, end: int) -> None:
        deadline = time.monotonic() + READ_S
        while consumer.position([TopicPartition(self._topic, 0)])[0].offset < end:
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                self._note(message)
            if time.monotonic() > deadline:
                raise KafkaException("sms.replies cannot be read to its end")

    def _note(self, message: Message) -> None:
        try:
            kind = orjson.loads(message.value() or b"")["kind"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return
        self._said[message.key() or b"", str(kind)] = message.timestamp()[1] * 1000
