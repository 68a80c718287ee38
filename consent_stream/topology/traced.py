"""Spans of the worker's stages, made when a slice is proven: of one that holds no traced event, nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from consent_stream.domain.events import told_type
from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.engine import Slice, Unread
from consent_stream.topology.fold import Effects
from consent_stream.topology.intake import take_in
from consent_stream.tracing import Span, Traces
from consent_stream.tracing.names import list_span, told_tenant
from consent_stream.tracing.traces import clock
from consent_stream.wire.keys import Keyring
from consent_stream.wire.suppression import decode_entry

EDGE = "/edge/"  # sources of events that an edge made, and so began a trace with


class Stages:
    """Traces of both stages. lists: full names by channel."""

    def __init__(self, traces: Traces, policy: Policy, keyring: Keyring, lists: dict[str, str]) -> None:
        self._traces, self._policy, self._keyring, self._lists = traces, policy, keyring, lists

    def intake(self, piece: Slice, began: int) -> None:
        """The slice is proven. began: when it was taken up, ns.

        What became of a traced event is asked of the stage's own function once more: it is pure, and they are few.
        """
        ended = clock()
        for record in self._traced(piece):
            place = (piece.partition, record.offset)
            if isinstance(record.value, Unread):
                continue
            taken = take_in(record.value, record.timestamp * 1000, place, self._policy, self._keyring.subject)
            facts = taken.facts
            from_edge = any(fact.source.startswith(EDGE) for fact in facts)
            told: dict[str, str | int] = {
                "messaging.destination.name": piece.topic,
                "messaging.batch.message_count": len(piece),
                "consent.facts": len(facts),
                **(_about(facts[0]) if facts else {}),
            }
            code = taken.refusal.code if taken.refusal else ""
            parent = ("edge",) if from_edge else None
            self._traces.add(Span("intake", place, ("intake",), parent, began, ended, told, code=code))

    def _traced(self, piece: Slice) -> Iterator[Any]:
        records, first = piece.records, piece.first
        for offset in self._traces.sampling.within(first, piece.next):
            if offset - first < len(records) and records[offset - first].offset == offset:
                yield records[offset - first]
            else:  # offsets have holes; a few slices in a thousand have one that is traced
                yield from (record for record in records if record.offset == offset)

    def state(self, piece: Slice, facts: list[tuple[int, Fact]], effects: Effects, began: int, folded: int) -> None:
        """The slice is proven and stored. facts: with their ledger offsets. folded: when its effects were known, ns."""
        step = self._traces.sampling.step
        at = step >> 1
        traced = [each for each in facts if each[1].offset % step == at]
        if not traced:
            return
        ended, partition = clock(), piece.partition
        for offset, fact in traced:
            told: dict[str, str | int] = {
                **_about(fact),
                "messaging.destination.name": piece.topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
                "messaging.batch.message_count": len(piece),
                "consent.derived": fact.derived,
            }
            name = ("state", str(partition), str(offset))
            self._traces.add(Span("state", _place(fact), name, ("intake",), began, ended, told))
        self._written(partition, traced, effects, folded, ended)

    def _written(
        self, partition: int, traced: list[tuple[int, Fact]], effects: Effects, folded: int, ended: int
    ) -> None:
        by_version = {offset + 1: fact for offset, fact in traced}
        keys = {fact.key for fact in by_version.values()}
        for channel, key, entry in effects.entries:
            if key not in keys:
                continue
            found = decode_entry(entry)
            fact = by_version.get(found.version)
            if fact is None:  # another event of the same slice changed it later
                continue
            topic = self._lists[channel]
            told: dict[str, str | int] = {
                **_about(fact),
                "messaging.destination.name": topic,
                "consent.version": found.version,
            }
            name, above = list_span(topic, partition, found.version), ("state", str(partition), str(found.version - 1))
            self._traces.add(Span(f"list {channel}", _place(fact), name, above, folded, ended, told))


def _place(fact: Fact) -> tuple[int, int]:
    return fact.partition, fact.offset


def _about(fact: Fact) -> dict[str, str]:
    return {"consent.tenant": told_tenant(fact.tenant), "consent.type": told_type(fact.type)}
