"""A topic as it grows, or from an instant to its end, in the order of time. It joins no group and commits nothing.

Kafka may go away meanwhile: that is said, and when it is back, and nothing is left out or told twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Generator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consent_stream.inspection.timeorder import TimeOrder
from consent_stream.inspection.topicread import AHEAD_KIB, STALLED, Unread, partitions
from consent_stream.settings import Settings
from consent_stream.wire.topics import Topic

BATCH = 1_000  # records taken in at once
AHEAD = 5_000  # records of one partition that wait for those of others; then it is not read on
IDLE = 0.2  # seconds without a record until the caller is asked whether to go on
GLANCE = 0.5  # seconds that a look for a Kafka that is away takes
REFUSED = (
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)
GONE = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)
Say = Callable[[str], None]


class Following:
    """since: microseconds; None is from now on with `live`, else from the beginning. live: do not end at the end.

    only: which partitions, of so many; None for all. say: is told in one line when Kafka goes away or comes back, and
    what is missing. Errors: Unread.
    """

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        generation: int,
        *,
        since: int | None,
        live: bool,
        say: Say,
        only: Callable[[int], Container[int]] | None = None,
    ) -> None:
        self.topic, self.name, self._live, self._say = topic, topic.full(settings.topic_prefix, generation), live, say
        self._refused: str | None = None
        self._down = self._away = False
        self._reader = Consumer(settings.consumer(**_OVER, error_cb=self._on_error))
        try:
            spans = partitions(self._reader, self.name, since)
        except BaseException:
            self._reader.close()
            raise
        if only is not None:
            wanted = only(len(spans))
            spans = {p: span for p, span in spans.items() if p in wanted}
        from_now = live and since is None
        self._next = {p: end if from_now else start for p, (start, end) in spans.items()}
        self._ends = {p: end for p, (_, end) in spans.items()}
        self._order: TimeOrder[Message] = TimeOrder((p for p, end in self._ends.items() if self._next[p] < end), AHEAD)
        self._paused: set[int] = set()
        self._heard = time.monotonic()  # when the past last came nearer

    @property
    def catching_up(self) -> bool:
        """Whether records from before the beginning are still to come."""
        return bool(self._order.behind)

    @property
    def away(self) -> bool:
        """Whether Kafka does not answer."""
        return self._down

    @property
    def left(self) -> int:
        """Offsets of the past that are still to be read."""
        return sum(max(0, self._ends[p] - self._next[p]) for p in self._order.behind)

    def batches(self) -> Generator[list[Message], None, None]:
        """Records in order; an empty list now and then where none come. Errors: Unread."""
        try:
            self._assign()
            while self._live or self.catching_up:
                self._take_in()
                yield self._order.take()
                self._hold_back()
        finally:
            self._reader.close()

    def _assign(self) -> None:
        wanted = self._next if self._live else self._order.behind
        self._reader.assign([TopicPartition(self.name, p, self._next[p]) for p in wanted])
        self._paused = set()

    def _take_in(self) -> None:
        # Not `consume(n, timeout)` alone: it waits for n records or the timeout, and records would grow old.
        first = self._reader.poll(IDLE)
        for message in [] if first is None else [first, *self._reader.consume(BATCH, 0)]:
            p = message.partition()
            if (error := message.error()) is not None:
                self._heed(error, p, message.offset())
                continue
            if self._live or message.offset() < self._ends[p]:
                self._order.add(p, message.timestamp()[1], message)
            self._advance(p, message.offset() + 1)
        if self._refused is not None:
            raise Unread(f"topic {self.name}: {self._refused}")
        if self._down:
            self._look()
        if self.catching_up and time.monotonic() - self._heard > STALLED:
            self._wait_no_longer()

    def _advance(self, partition: int, offset: int) -> None:
        self._next[partition] = offset
        if partition in self._order.behind:
            self._heard = time.monotonic()
        if offset >= self._ends[partition]:
            self._order.caught_up(partition)

    def _wait_no_longer(self) -> None:
        """A partition without a leader must not hide what comes in the others."""
        lacking = ", ".join(map(str, sorted(self._order.behind)))
        trouble = f"topic {self.name}: no record for {STALLED:.0f} s; not at their end: partitions {lacking}"
        if not self._live:
            raise Unread(trouble)
        self._heard = time.monotonic()
        if not self._away:
            self._say(trouble)
            for partition in list(self._order.behind):
                self._order.caught_up(partition)

    def _heed(self, error: KafkaError, partition: int, offset: int) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            self._next[partition] = max(offset, self._next[partition])
            self._order.caught_up(partition)
        elif code in GONE:
            self._begin_at_the_oldest(partition)
        elif not error.retriable():
            raise Unread(f"topic {self.name}: {error.str()}")

    def _begin_at_the_oldest(self, partition: int) -> None:
        """What was to come next is deleted, or the topic was made anew: the gap is said, not passed over."""
        try:
            place = TopicPartition(self.name, partition)
            oldest, end = self._reader.get_watermark_offsets(place, timeout=10 * GLANCE)
        except KafkaException:
            return  # Kafka is away again; the error comes again, too
        self._say(f"{self.name} {partition}:{self._next[partition]} is not there (any more); goes on at {oldest}")
        self._next[partition], self._ends[partition] = oldest, end
        self._assign()

    def _hold_back(self) -> None:
        crowded = self._order.crowded()
        for wanted, change in (
            (crowded - self._paused, self._reader.pause),
            (self._paused - crowded, self._reader.resume),
        ):
            if wanted:
                change([TopicPartition(self.name, p) for p in sorted(wanted)])
        self._paused = crowded

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka's own reports. One broker of several that goes away is not worth a word."""
        if error.code() in REFUSED:
            self._refused = " ".join(error.str().split())
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down = True

    def _look(self) -> None:
        """Is Kafka really away, and is it back? A quiet topic would not tell, nor would what was fetched before."""
        try:
            self._reader.list_topics(self.name, timeout=GLANCE)
        except KafkaException:
            if not self._away:
                self._away = True
                self._say("Kafka is away; waiting for it")
            return
        if self._away:
            self._say("Kafka is back")
        self._down = self._away = False


_OVER: dict[str, Any] = {
    "group.id": "consent-stream-inspection",  # librdkafka demands one; nothing ever joins it
    "enable.partition.eof": True,  # the only sign of the end that also counts transaction markers
    "fetch.wait.max.ms": 100,
    "allow.auto.create.topics": False,
    "queued.max.messages.kbytes": AHEAD_KIB,
    "fetch.queue.backoff.ms": 10,
    "reconnect.backoff.max.ms": 1000,  # what comes after an outage must not wait for the tenth second
    "log_level": 0,
}
