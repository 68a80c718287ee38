"""Reads `consent.edges` for the intake."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from consent_stream.settings import Settings
from consent_stream.topology import metrics
from consent_stream.topology.edges import Edges
from consent_stream.wire.avro import WireError
from consent_stream.wire.edges import decode_edge
from consent_stream.wire.topics import EDGES
from consent_stream.wire.vector import Point, Vector

log = logging.getLogger(__name__)
TIMEOUT_S = 5.0
AT_ONCE = 1000


class EdgeWatch:
    """Follows the topic; nothing is claimed before it is read to the end that it had at the start."""

    def __init__(self, settings: Settings) -> None:
        unused = {"group.id": "progress-unused", "fetch.wait.max.ms": 20, "log_level": 2}  # no group is joined
        self._consumer = Consumer(settings.consumer(**unused))
        self._place = TopicPartition(EDGES.full(settings.topic_prefix), 0, OFFSET_BEGINNING)
        self._edges, self._end, self._position = Edges(), -1, 0
        self._consumer.assign([self._place])

    def bound(self, vector: Mapping[int, Point]) -> Vector:
        """What may be claimed of it; nothing until the topic is read. Errors: KafkaException when it cannot be."""
        if self._end < 0:
            _, self._end = self._consumer.get_watermark_offsets(self._place, timeout=TIMEOUT_S)
        while messages := self._consumer.consume(AT_ONCE, 0):
            for message in messages:
                self._note(message)
        return self._edges.bound(vector) if self._read() else {}

    def _read(self) -> bool:
        (at,) = self._consumer.position([self._place])
        # Compaction leaves gaps, and no position is known before the first record: then the end is where it begins.
        self._position = max(self._position, at.offset)
        if self._position >= self._end:
            return True
        low, high = self._consumer.get_watermark_offsets(self._place, timeout=TIMEOUT_S)
        return bool(low == high)

    def _note(self, message: Any) -> None:
        error = message.error()
        if error is not None:
            if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # it was made anew
                self._edges, self._end, self._position = Edges(), -1, 0
                self._consumer.assign([self._place])
                return
            raise KafkaException(error)
        self._position = message.offset() + 1
        if message.value() is None:
            self._edges.forget((message.key() or b"").decode(errors="replace"))
            return
        try:
            self._edges.note(decode_edge(message.key(), message.value()))
        except WireError as exc:
            metrics.UNPROVEN.inc()
            place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            log.warning("a record in %s that cannot be read: %s", EDGES.name, exc, extra=place)
