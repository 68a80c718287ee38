"""The span of a gate: from the moment at which it has a record of the list until it obeys it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consent_stream.tracing import Span, Traces
from consent_stream.tracing.names import glance, list_span
from consent_stream.tracing.traces import clock
from consent_stream.wire.avro import WireError
from consent_stream.wire.suppression import decode_entry

Plain = tuple[int, int, bytes | None, bytes | None]  # partition, offset, key, value


class Applied:
    """Traces of one gate that follows a list. who: what the gate is called."""

    def __init__(self, traces: Traces, who: str) -> None:
        self._traces, self._who = traces, who

    def taken(self, topic: str, records: Sequence[Plain], began: int) -> None:
        """These records are in the replica. began: when they were at hand, ns."""
        ended, likely = clock(), self._likely(records)
        for partition, offset, _, value in likely:
            try:
                entry = decode_entry(value or b"")
            except WireError:  # it is alarmed of elsewhere, and a heartbeat is none
                continue
            place = (entry.cause_partition, entry.cause_offset)
            if not self._traces.sampling.takes(entry.cause_offset):
                continue
            told: dict[str, str | int] = {
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
                "messaging.batch.message_count": len(records),
                "consent.tenant": entry.tenant,
                "consent.version": entry.version,
                "consent.gate": self._who,
            }
            above = list_span(topic, partition, entry.version)
            self._traces.add(Span(f"gate {entry.channel}", place, None, above, began, ended, told))

    def _likely(self, records: Sequence[Plain]) -> Iterable[Plain]:
        """Those worth decoding."""
        if not self._traces.sampling.rare:
            return records
        return [each for each in records if each[3] is not None and glance(each[3])]
