"""A slice: consecutive records of one partition, the unit of work, of delivery and of acknowledgement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from faust.serializers.schemas import Schema
from faust.types import TP
from faust.types.tuples import ConsumerMessage


class Slice:
    """Records of one partition that cover the offsets [first, next).

    Offsets inside may have holes (compaction, transaction markers); `next` is the offset wanted after this slice.
    `records` are aiokafka's `ConsumerRecord`: offset, timestamp (ms), key, value, headers [(str, bytes)].
    """

    __slots__ = ("first", "next", "partition", "records", "topic")

    def __init__(self, topic: str, partition: int, first: int, records: Sequence[Any]) -> None:
        self.topic = topic
        self.partition = partition
        self.first = first
        self.next: int = records[-1].offset + 1
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"<Slice {self.topic}/{self.partition} [{self.first}, {self.next})>"


class SliceMessage(ConsumerMessage):  # type: ignore[misc]
    """Faust's envelope of one slice: `.value` is the Slice, `.epoch` the positioning it was fetched under."""

    __slots__ = ("epoch", "last_timestamp", "next_offset")

    def __init__(self, piece: Slice, epoch: int, generation_id: int) -> None:
        last = piece.records[-1]
        super().__init__(
            piece.topic,
            piece.partition,
            piece.first,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            piece,
            None,
            0,
            0,
            TP(piece.topic, piece.partition),
            generation_id=generation_id,
        )
        self.epoch = epoch
        self.next_offset = piece.next
        self.last_timestamp: int = last.timestamp


class SliceSchema(Schema):  # type: ignore[misc]
    """Hands a slice to the agent undecoded: a decode error inside Faust would acknowledge the message first."""

    def compile(self, app: Any, **_: Any) -> Any:
        create = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create(None, message.value, {}, message)

        return decode


def cut(records: Sequence[Any], max_records: int, max_bytes: int) -> Iterator[Sequence[Any]]:
    """Cut fetched records into runs of at most `max_records` and `max_bytes` (keys and values); one record always fits.

    Shapes: records → consecutive, non-empty runs that cover them all.
    """
    start = size = 0
    for index, record in enumerate(records):
        weight = (len(record.value) if record.value else 0) + (len(record.key) if record.key else 0)
        if index > start and (index - start >= max_records or size + weight > max_bytes):
            yield records[start:index]
            start, size = index, 0
        size += weight
    if start < len(records):
        yield records[start:]
