"""The ends of partitions, as their leaders tell them. Whoever says that all is read or applied rests on these.

librdkafka's `list_offsets` has two traps (2.16, seen with three brokers of which the leader was killed):

1. A question that its leader does not answer in time succeeds, with offset -1001. Taken for an end, everything would be
   applied, and a list on which nobody works would be fresh. Here an offset below zero is no answer.
2. It goes by the leaders and epochs it knows and never looks again (FENCED_LEADER_EPOCH after a restart). Here a client
   that has failed is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

PATIENCE = 2.0  # seconds for an answer, less than gates wait for; doubled after each that did not come …
MOST_PATIENCE = 10.0  # … for a broker far away takes two or three to say hello, with TLS and SASL
UNTOLD = "a leader does not tell the end of its partition"
Place = tuple[str, int]  # topic (full name), partition
Ends = Mapping[Place, int]


class LogEnds:
    """Asks for ends. Used from one thread. connect: makes a client."""

    def __init__(self, connect: Callable[[], AdminClient]) -> None:
        self._connect, self._admin = connect, connect()
        self._patience = PATIENCE
        self._asked: dict[Place, Future[Any]] = {}

    def partitions(self, topic: str) -> int:
        """How many a topic has. Errors: KafkaException, also when it is not there."""
        found = self._admin.list_topics(topic, timeout=MOST_PATIENCE).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return len(found.partitions)

    def of(self, topic: str, partitions: int) -> tuple[int, ...]:
        """The end of each partition of a topic, now. Errors: as of `get`."""
        told = self.get((topic, p) for p in range(partitions))
        return tuple(told[topic, p] for p in range(partitions))

    def get(self, places: Iterable[Place]) -> Ends:
        """The ends, now. Errors: KafkaException when one of them is not told in time."""
        wanted = list(places)
        if not wanted:
            return {}
        self.ask(wanted)
        for future in self._asked.values():
            try:
                future.exception(self._patience + 1)
            except TimeoutError:
                break
        found = self.answer()
        if found is None:
            self._give_up()
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, UNTOLD))
        return found

    def ask(self, places: Iterable[Place]) -> None:
        """Ask without waiting, in place of whatever was asked before."""
        wanted = {TopicPartition(*place): OffsetSpec.latest() for place in places}
        futures = self._admin.list_offsets(wanted, request_timeout=self._patience)
        self._asked = {(place.topic, int(place.partition)): future for place, future in futures.items()}

    def answer(self) -> Ends | None:
        """The ends that were asked for last, once; None until all are told. Errors: KafkaException."""
        if not self._asked or not all(future.done() for future in self._asked.values()):
            return None
        try:
            found = {place: int(future.result().offset) for place, future in self._asked.items()}
            if any(offset < 0 for offset in found.values()):
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, UNTOLD))
        except KafkaException:
            self._give_up()
            raise
        self._asked = {}
        self._patience = PATIENCE
        return found

    def _give_up(self) -> None:
        self._asked = {}
        self._admin = self._connect()
        self._patience = min(2 * self._patience, MOST_PATIENCE)
