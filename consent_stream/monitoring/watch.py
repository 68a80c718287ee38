"""What the canary hears: reports of gates, and the facts of its own keys, as they come. It joins no group."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consent_stream.inspection.placement import partition_of
from consent_stream.inspection.topicread import partitions
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.gate_report import GateReport, decode_report
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.topics import GATES, LEDGER

LOOK_BACK = 15_000_000  # microseconds of reports that tell which gates there are
BATCH = 500
LOST = (  # our place, or the topic
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)
log = logging.getLogger(__name__)


class Found(NamedTuple):
    """A fact of ours: its key, and where its event is in consent.events."""

    key: bytes
    place: tuple[int, int]


class Watch:
    """One consumer on `consent.gates` and on the partitions of the ledger that hold these keys.

    Errors when made: `Unread` when a topic is not there or Kafka does not answer.
    """

    def __init__(self, settings: Settings, keys: Sequence[bytes], generation: int) -> None:
        self._settings, self._keys = settings, frozenset(keys)
        self._gates = GATES.full(settings.topic_prefix)
        self._reader = Consumer(
            settings.consumer(**{
                "group.id": "consent-stream-inspection",
                "allow.auto.create.topics": False,
                "fetch.wait.max.ms": 20,  # its own waiting would count as the gates'
                "log_level": 2,
            })
        )  # fmt: skip
        try:
            self._assign(generation)
        except BaseException:
            self._reader.close()
            raise

    def close(self) -> None:
        """The last use."""
        self._reader.close()

    def take(self, seconds: float) -> Iterator[GateReport | Found]:
        """What has come, after waiting for it at most so long. Errors: KafkaException when it cannot be read on."""
        first = self._reader.poll(seconds)
        for message in [] if first is None else [first, *self._reader.consume(BATCH, 0)]:
            if (error := message.error()) is not None:
                self._heed(error)
            elif (found := self._read(message)) is not None:
                yield found

    def _assign(self, generation: int) -> None:
        ledger = LEDGER.full(self._settings.topic_prefix, generation)
        reports = partitions(self._reader, self._gates, time.time_ns() // 1000 - LOOK_BACK)
        facts = partitions(self._reader, ledger)
        ours = {partition_of(key, len(facts)) for key in self._keys}
        places = [TopicPartition(self._gates, p, start) for p, (start, _) in reports.items()]
        self._reader.assign([*places, *(TopicPartition(ledger, p, facts[p][1]) for p in sorted(ours))])

    def _read(self, message: Message) -> GateReport | Found | None:
        try:
            if message.topic() == self._gates:
                return decode_report(message.value() or b"")
            if message.key() in self._keys:
                fact = decode_fact(message.key(), message.value() or b"")
                return Found(fact.key, (fact.partition, fact.offset))
        except WireError:  # anybody may write to consent.gates: what is no report is no gate
            return None
        return None

    def _heed(self, error: KafkaError) -> None:
        """A broker that is away comes back; a topic made anew, or without our place, must be taken up again."""
        if error.code() in LOST or error.fatal():
            raise KafkaException(error)
        log.debug("consumer: %s", error)
