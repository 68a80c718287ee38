"""The first records of a new generation: the qualified facts of the live ledger, and where its intake goes on.

1. The live intake's committed offsets are read before the ends of the live ledger. It commits what is proven, so
   all facts of the events before those offsets lie before those ends.
2. Facts that were derived stay behind: the new state stage derives them anew from the others.
3. Events from those offsets on are taken in by the new generation's own workers. What is told twice so changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.topics import EVENTS, LEDGER

TIMEOUT = 10.0
BATCH = 5_000
DELIVERY_MS = 120_000
Offsets = Mapping[int, int]
# How Kafka refuses to set offsets of a group that has members: for the whole group, or for each partition.
MEMBERS_RUN = (KafkaError.NON_EMPTY_GROUP, KafkaError.UNKNOWN_MEMBER_ID)


class Seeded(NamedTuple):
    """What was copied. ends: of the source ledger, by partition. events: where the new intake begins."""

    facts: int
    derived: int
    ends: Offsets
    events: Offsets


class NotSeeded(Exception):
    """The copy is not whole; the text is one line. It may be begun again: what is there already changes nothing."""


def seed(
    settings: Settings, source: int, into: int, groups: tuple[str, str], told: Callable[[int, int], None]
) -> Seeded:
    """Copy the ledger of generation `source` and hand its intake's place on. groups: the consumer groups of both.

    told: called now and then with (records read, records to read). Errors: NotSeeded; KafkaException.
    """
    prefix = settings.topic_prefix
    events = committed(settings, groups[0], EVENTS.full(prefix))
    copy = _Copy(settings, LEDGER.full(prefix, source), LEDGER.full(prefix, into))
    facts, derived = copy.run(told)
    _hand_on(settings, groups[1], EVENTS.full(prefix), events)
    return Seeded(facts, derived, copy.ends, events)


def committed(settings: Settings, group: str, topic: str) -> dict[int, int]:
    """Committed offsets by partition; where nothing is committed, the first offset there is.

    Errors: KafkaException.
    """
    reader = Consumer(
        settings.consumer(**{"group.id": group, "log_level": 0})
    )  # it is not joined: nothing is subscribed
    try:
        listed = reader.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions
        places = reader.committed([TopicPartition(topic, p) for p in sorted(listed)], timeout=TIMEOUT)
        return {
            each.partition: each.offset if each.offset >= 0 else reader.get_watermark_offsets(each, timeout=TIMEOUT)[0]
            for each in places
        }
    finally:
        reader.close()


def _hand_on(settings: Settings, group: str, topic: str, offsets: Offsets) -> None:
    admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    places = [TopicPartition(topic, p, offset) for p, offset in offsets.items()]
    wanted = ConsumerGroupTopicPartitions(group, places)
    try:
        (future,) = admin.alter_consumer_group_offsets([wanted], request_timeout=TIMEOUT).values()
        for each in future.result(TIMEOUT).topic_partitions:
            if each.error is not None:
                raise KafkaException(each.error)
    except KafkaException as error:
        if error.args[0].code() in MEMBERS_RUN:
            raise NotSeeded(f"workers of group {group} run already: stop them, then begin again") from error
        raise


class _Copy:
    """One pass over all partitions of a ledger, to the ends that it had when the pass began."""

    def __init__(self, settings: Settings, source: str, into: str) -> None:
        self._source, self._into = source, into
        unused = {"group.id": "rebuild-unused", "enable.partition.eof": True, "log_level": 0}  # no group is joined
        self._reader = Consumer(settings.consumer(**unused))
        over = {"message.timeout.ms": DELIVERY_MS, "log_level": 0, "linger.ms": 50, "compression.type": "lz4"}
        self._writer = Producer(settings.producer(**over))
        self._failed: list[KafkaError] = []
        self._facts = self._derived = 0
        found = marks(settings, source)
        self.ends: dict[int, int] = {q: end for q, (_, end) in found.items()}
        self._at = {q: low for q, (low, _) in found.items()}

    def run(self, told: Callable[[int, int], None]) -> tuple[int, int]:
        """How many facts were copied, and how many derived ones were not."""
        first, total = sum(self._at.values()), sum(self.ends.values())
        try:
            self._reader.assign([TopicPartition(self._source, q, low) for q, low in self._at.items()])
            while any(self._at[q] < end for q, end in self.ends.items()):
                for message in self._reader.consume(BATCH, 0.5):
                    self._take(message)
                self._writer.poll(0)
                self._see_failures()
                told(sum(min(self._at[q], end) for q, end in self.ends.items()) - first, total - first)
            unproven = self._writer.flush(DELIVERY_MS / 1000)
            self._see_failures()
            if unproven:
                raise NotSeeded(f"{unproven} facts were not taken by {self._into} in time: begin again")
            return self._facts, self._derived
        finally:
            self._reader.close()

    def _take(self, message: Any) -> None:
        q, error = message.partition(), message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self._at[q] = max(self._at[q], message.offset())  # behind the last record may stand a transaction's marker
            return
        if message.offset() < self.ends[q]:
            self._send(message)
        self._at[q] = message.offset() + 1

    def _send(self, message: Any) -> None:
        key, value = message.key(), message.value()
        if _is_derived(key, value):
            self._derived += 1
            return
        self._facts += 1
        _, appended = message.timestamp()  # how long it is kept counts from then
        while True:
            try:
                self._writer.produce(self._into, value, key, timestamp=appended, on_delivery=self._proven)
                return
            except BufferError:
                self._writer.poll(0.1)

    def _proven(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def _see_failures(self) -> None:
        if self._failed:
            raise NotSeeded(f"{self._into}: {self._failed[0].str()}; begin again")


def marks(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """First offset and end of each partition, those of open transactions included: a fact may stand behind one."""
    over = {"group.id": "rebuild-unused", "isolation.level": "read_uncommitted", "log_level": 0}
    reader = Consumer(settings.consumer(**over))
    try:
        partitions = reader.list_topics(topic, timeout=TIMEOUT).topics[topic].partitions
        return {q: reader.get_watermark_offsets(TopicPartition(topic, q), timeout=TIMEOUT) for q in partitions}
    finally:
        reader.close()


def _is_derived(key: bytes | None, value: bytes | None) -> bool:
    """A record that cannot be read is copied: the state stage quarantines it, as the live one did."""
    try:
        return decode_fact(key, value or b"").derived
    except WireError:
        return False
