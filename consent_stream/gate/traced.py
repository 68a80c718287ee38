"""The span of a gate: from the moment at which it has a record of the list until it obeys it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consent_stream.tracing import Span, Traces
from consent_stream.tracing.names import list_span, told_tenant
from consent_stream.tracing.traces import clock
from consent_stream.wire.avro import WireError
from consent_stream.wire.suppression import decode_entry

RARE = 128  # from this step on a glance tells most of those that are not traced
EMPTY = 0x80  # a group of seven bits that are 0, and another one follows
LONGEST = 6  # bytes of an offset below 2**41: of a partition, a million events a second for three weeks
Plain = tuple[int, int, bytes | None, bytes | None]  # partition, offset, key, value


class Applied:
    """Traces of one gate that follows a list. who: what the gate is called."""

    def __init__(self, traces: Traces, who: str) -> None:
        self._traces, self._who = traces, who

    def taken(self, topic: str, records: Sequence[Plain], began: int) -> None:
        """These records are in the replica. began: when they were at hand, ns."""
        ended, sampling = clock(), self._traces.sampling
        for partition, offset, _, value in likely(records, sampling.step):
            if not value or not sampling.takes(last_long(value)):
                continue
            try:
                entry = decode_entry(value)
            except WireError:  # it is alarmed of elsewhere, and a heartbeat is none
                continue
            place = (entry.cause_partition, entry.cause_offset)
            told: dict[str, str | int] = {
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
                "messaging.batch.message_count": len(records),
                "consent.tenant": told_tenant(entry.tenant),
                "consent.version": entry.version,
                "consent.gate": self._who,
            }
            above = list_span(topic, partition, entry.version)
            self._traces.add(Span(f"gate {entry.channel}", place, None, above, began, ended, told))


def likely(records: Sequence[Plain], step: int) -> Iterable[Plain]:
    """All records that are of traced events, and some others. 40 ns each, where a look at the number is 200.

    The event's offset ends a record, as an Avro long: twice its value in groups of seven bits, the least first. From
    RARE on the offsets that are traced are multiples of 64 and not 0: their first group is EMPTY.
    """
    if step < RARE:
        return records
    return [each for each in records if each[3] is not None and EMPTY in each[3][-LONGEST:]]


def last_long(value: bytes) -> int:
    """The Avro long, none below zero, that ends some bytes: each of its groups but the last has its high bit set."""
    number, at = value[-1], len(value) - 2
    while at >= 0 and value[at] & 0x80:
        number = number << 7 | value[at] & 0x7F
        at -= 1
    return number >> 1
