"""Until when the ledger is whole: from the reports of the workers (WIRE §3)."""

from __future__ import annotations

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from consent_stream.inspection.topicread import TIMEOUT, Unread, consumer, partitions
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import Partitions
from consent_stream.wire.topics import PROGRESS
from consent_stream.wire.vector import HOPS, Progress, Vector, decode_progress, join, meet

LOOK_BACK = 60_000_000  # microseconds; a worker that is alive reports several times a second


class Settled(NamedTuple):
    """Every fact of every event accepted before `through` (microseconds), the derived ones too, lies in the ledger
    before `ends` (by partition). through: 0 while that is unknown."""

    through: int
    ends: dict[int, int]


def await_settled(settings: Settings, generation: int, counts: Partitions, beyond: int, seconds: float) -> Settled:
    """What the workers of a generation report, once it reaches beyond an instant, or else after so many seconds.

    Errors: Unread.
    """
    name, reader = PROGRESS.full(settings.topic_prefix, generation), consumer(settings)
    heard: dict[int, Progress] = {}  # by ledger partition: the newest that covers all derivations
    deadline, found = time.monotonic() + seconds, Settled(0, {})
    try:
        at_end = _begin(reader, name)
        while found.through <= beyond and (not at_end or time.monotonic() < deadline):
            for message in reader.consume(1000, 0.1):
                if (error := message.error()) is None:
                    _note(message.value(), heard)
                elif error.code() == KafkaError._PARTITION_EOF:
                    at_end = True
                else:
                    raise Unread(f"topic {name}: {error.str()}")
            found = _sum_up(heard, counts)
            if time.monotonic() > deadline + 10 * TIMEOUT:
                raise Unread(f"topic {name}: its end is not reached")
    finally:
        reader.close()
    return found


def _begin(reader: Consumer, name: str) -> bool:
    """Read what was reported lately; where nobody did, all that there is. True when there is nothing at all."""
    low, end = partitions(reader, name)[0]  # the only one, but on the embedded broker
    recent, _ = partitions(reader, name, time.time_ns() // 1000 - LOOK_BACK)[0]
    start = recent if recent < end else low
    reader.assign([TopicPartition(name, 0, start)])
    return start >= end


def _note(value: bytes | None, heard: dict[int, Progress]) -> None:
    try:
        report = decode_progress(value or b"")
    except WireError:  # the worker tells of it; without a report nothing is taken for settled
        return
    if report.hop == HOPS:
        known = heard.get(report.partition)
        vector: Vector = join(known.vector, report.vector) if known else report.vector
        heard[report.partition] = report._replace(vector=vector)


def _sum_up(heard: dict[int, Progress], counts: Partitions) -> Settled:
    if heard.keys() != set(range(counts.ledger)):
        return Settled(0, {})
    whole = meet(report.vector for report in heard.values())
    if len(whole) != counts.events:
        return Settled(0, {})
    ends = [max(each) for each in zip(*(report.ends for report in heard.values()), strict=True)]
    return Settled(min(point.through for point in whole.values()), dict(enumerate(ends)))
