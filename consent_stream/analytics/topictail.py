"""A topic from given offsets on, as a topic of this very id: to its present end, or for ever. It joins no group."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.inspection.topicread import BATCH, STALLED, TIMEOUT, Unread, consumer, partitions
from consent_stream.settings import Settings
from consent_stream.topics import EMBEDDED_CLUSTER

POLL_S = 0.2


class Gap(Unread):
    """Records between where a reader stopped and what the topic still has are gone."""


class TopicIds:
    """Which incarnation of a topic is there. The client is kept: a collected one destroys its own futures."""

    def __init__(self, settings: Settings) -> None:
        self._admin = AdminClient({**settings.librdkafka(), "log_level": 0})

    def of(self, name: str) -> str:
        """Errors: Unread when there is no such topic, or no answer."""
        try:
            cluster = str(self._admin.list_topics(timeout=TIMEOUT).cluster_id)
            if cluster.startswith(EMBEDDED_CLUSTER):  # no topic ids; its topics live as long as it does
                return cluster
            asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT)
            return str(asked[name].result(TIMEOUT).topic_id)
        except KafkaException as error:
            raise Unread(f"topic {name}: {error.args[0].str()}") from error
        except TimeoutError as error:
            raise Unread(f"topic {name}: nobody tells its id") from error


class TopicTail:
    """Records of a topic, in order within each partition.

    name: in the cluster. reached: by partition the offset to go on at; empty for a first reading, which begins at
    `since` (µs), else at the beginning. until: µs; up to the first record that is not older. follow: no end.
    `reached` moves on with what `read` gives out. Errors: Unread; Gap.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        reached: Mapping[int, int],
        *,
        since: int | None = None,
        until: int | None = None,
        follow: bool = False,
    ) -> None:
        self.name = name
        self._reader = consumer(settings)
        try:
            spans = self._spans(reached, since, until)
            self.reached = {p: start for p, (start, _) in spans.items()}
            self._ends = {} if follow else {p: end for p, (start, end) in spans.items() if start < end}
            self.total = sum(end - self.reached[p] for p, end in self._ends.items())
            self._follow = follow
            self._reader.assign([
                TopicPartition(name, p, start) for p, start in self.reached.items() if follow or p in self._ends
            ])  # fmt: skip
        except BaseException:
            self._reader.close()
            raise
        self._heard = time.monotonic()

    def close(self) -> None:
        """Let go of the link."""
        self._reader.close()

    @property
    def done(self) -> bool:
        """Whether it is at its end."""
        return not self._follow and not self._ends

    @property
    def left(self) -> int:
        """How many offsets there are up to the end."""
        return sum(max(0, end - self.reached[p]) for p, end in self._ends.items())

    def read(self, wait: float = POLL_S) -> list[Message]:
        """What is there, after `wait` seconds at most; perhaps nothing."""
        batch: list[Message] = []
        messages = self._reader.consume(BATCH, wait)
        for message in messages:
            self._take(message, batch.append)
        if messages:
            self._heard = time.monotonic()
        elif not self._follow and time.monotonic() - self._heard > STALLED:
            raise Unread(f"topic {self.name}: no record for {STALLED:.0f} s, and it is not at its end")
        return batch

    def _take(self, message: Message, add: Callable[[Message], None]) -> None:
        p, error = message.partition(), message.error()
        if error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Gap(f"topic {self.name}: partition {p} no longer has offset {self.reached.get(p)}")
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise Unread(f"topic {self.name}: {error.str()}")
        offset = int(message.offset())
        if not self._follow:
            if p not in self._ends:
                return
            end = self._ends[p]
            if error is not None or offset + 1 >= end:
                del self._ends[p]
                self._reader.pause([TopicPartition(self.name, p)])
            if error is None and offset >= end:  # behind markers, or begun since
                self.reached[p] = end
                return
            offset = min(offset, end)
        self.reached[p] = max(self.reached[p], offset if error is not None else offset + 1)
        if error is None:
            add(message)

    def _spans(self, reached: Mapping[int, int], since: int | None, until: int | None) -> dict[int, tuple[int, int]]:
        there = partitions(self._reader, self.name)
        begins = {p: start for p, (start, _) in partitions(self._reader, self.name, since).items()}
        ends = self._first_at(until, there)
        if lost := sorted(set(reached) - set(there)):
            raise Gap(f"topic {self.name}: partition {lost[0]} is gone")
        spans = {}
        for p, (low, high) in there.items():
            start = reached.get(p, 0) if reached else begins[p]
            if start < low:
                raise Gap(
                    f"topic {self.name}: offsets {start} to {low - 1} of partition {p} are missing: they were not read "
                    "before the topic's retention removed them"
                )
            if start > high:
                raise Gap(
                    f"topic {self.name}: partition {p} ends at offset {high}, before {start}, where reading stopped"
                )
            spans[p] = (start, max(start, min(high, ends[p])))
        return spans

    def _first_at(self, until: int | None, there: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        if until is None:
            return {p: high for p, (_, high) in there.items()}
        return {p: start for p, (start, _) in partitions(self._reader, self.name, until).items()}
