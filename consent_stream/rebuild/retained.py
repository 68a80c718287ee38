"""One consistent cut of ledger and events, told apart by whether an event can still be qualified anew.

1. The intake's committed offsets are read first. It commits what is proven, so all facts of the events before them lie
   before the ledger's ends of now; facts of later events, and events whose facts are not there yet, are left out.
2. A fact is of a retained event when its place is at or behind the first record of `consent.events`, and it was
   received no earlier than that one: offsets begin anew when the topic is made anew, append times do not.
3. Derived facts are left out; they follow anew on either side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import TopicPartition

from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.inspection.topicread import BATCH, STALLED, Told, Unread, consumer, partitions, read
from consent_stream.rebuild.seed import committed, marks
from consent_stream.rebuild.tables import AFTER, COMMON, Tables
from consent_stream.settings import Settings
from consent_stream.topology.intake import take_in
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.topics import EVENTS, LEDGER

KID = 2  # where a subject key names its key id
LATER, RETAINED, OLDER = "later", "retained", "older"


class Span(NamedTuple):
    """The events of one partition that can be qualified anew: [first, stop). since: append time of `first`, µs."""

    first: int
    stop: int
    since: int


class Cut(NamedTuple):
    """spans: by partition of `consent.events`. ledger: ends, by partition of the ledger."""

    spans: Mapping[int, Span]
    ledger: Mapping[int, int]

    def place(self, fact: Fact) -> str:
        """Of which events a fact tells: OLDER ones, RETAINED ones, or LATER ones, behind the cut."""
        span = self.spans.get(fact.partition)
        if span is None or fact.received < span.since:
            return OLDER
        if fact.offset >= span.stop:
            return LATER
        return OLDER if fact.offset < span.first else RETAINED


class Gone(Exception):
    """Events went out of retention while they were read; the text is one line."""


def cut(settings: Settings, generation: int, group: str, now: int) -> Cut:
    """Where both topics are cut. group: of that generation's workers. now: µs.

    Errors: Unread; KafkaException.
    """
    events = EVENTS.full(settings.topic_prefix)
    stops = committed(settings, group, events)
    ends = {q: end for q, (_, end) in marks(settings, LEDGER.full(settings.topic_prefix, generation)).items()}
    firsts = _firsts(settings, events)
    spans = {}
    for p, stop in stops.items():
        first, since = firsts.get(p, (stop, now))
        spans[p] = Span(first, stop, since)
    return Cut(spans, ends)


def _firsts(settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """Offset and append time (µs) of the first record of each partition that has one."""
    reader = consumer(settings)
    try:
        spans = partitions(reader, topic)
        waiting = {p for p, (low, end) in spans.items() if low < end}
        found: dict[int, tuple[int, int]] = {}
        reader.assign([TopicPartition(topic, p, spans[p][0]) for p in waiting])
        silent = 0.0
        while waiting:
            messages = reader.consume(BATCH, 0.2)
            silent = 0.0 if messages else silent + 0.2
            if silent > STALLED:
                raise Unread(f"topic {topic}: no record for {STALLED:.0f} s")
            for message in messages:
                p = message.partition()
                if p in waiting:
                    waiting.discard(p)
                    reader.pause([TopicPartition(topic, p)])
                    if message.error() is None:  # else its end: markers alone
                        found[p] = message.offset(), message.timestamp()[1] * 1000
        return found
    finally:
        reader.close()


class Fill:
    """Reads both topics up to a cut, each once, into tables. tenant: of this one alone."""

    def __init__(self, settings: Settings, generation: int, where: Cut, tables: Tables, tenant: str | None) -> None:
        self._settings, self._generation, self._cut = settings, generation, where
        self._tables, self._tenant = tables, tenant
        self._kids: dict[tuple[int, int], int] = {}  # (partition, key id) → the first retained event told under it
        self.facts = self.events = self.unreadable = 0
        self.refused: Counter[str] = Counter()  # retained events that go to quarantine under the new policy, by code

    def ledger(self, told: Told) -> None:
        """Facts as they stand. Errors: Unread."""
        for batch in read(self._settings, LEDGER, self._generation, least=self._cut.ledger, told=told):
            found: dict[str, list[Fact]] = {OLDER: [], RETAINED: [], LATER: []}
            for message in batch:
                try:
                    fact = decode_fact(message.key(), message.value() or b"")
                except WireError:  # the state stage put it in quarantine, and would again
                    self.unreadable += 1
                    continue
                if not fact.derived and self._tenant in (None, fact.tenant):
                    found[self._cut.place(fact)].append(fact)
            self.facts += len(found[OLDER]) + len(found[RETAINED])
            self.know(found[RETAINED])
            self._tables.fold(COMMON, found[OLDER])
            self._tables.keep(found[RETAINED])

    def retained(self, policy: Policy, keyring: Keyring, told: Told) -> None:
        """The same events, qualified by `policy`; after `ledger`. Errors: Unread; Gone."""
        spans = self._cut.spans
        begun = {p for p, span in spans.items() if span.first >= span.stop}
        for batch in read(self._settings, EVENTS, least={p: span.stop for p, span in spans.items()}, told=told):
            facts: list[Fact] = []
            for message in batch:
                p, offset = message.partition(), message.offset()
                if p not in spans or offset >= spans[p].stop:
                    continue
                if p not in begun and offset != spans[p].first:
                    raise Gone(f"events of partition {p} went out of retention while they were read: begin again")
                begun.add(p)
                value, received = message.value(), message.timestamp()[1] * 1000
                taken = take_in(value, received, (p, offset), policy, keyring.subject, keyring.older)
                self.events += 1
                if taken.refusal:
                    self.refused[taken.refusal.code] += 1
                facts += self.told_under(taken.facts, keyring)
            self._tables.fold(AFTER, facts)
        if lost := spans.keys() - begun:
            raise Gone(f"events of partition {min(lost)} went out of retention while they were read: begin again")

    def know(self, facts: Sequence[Fact]) -> None:
        """From which event on each key id was live, as the ledger's facts of retained events show."""
        for fact in facts:
            slot = fact.partition, fact.key[KID]
            self._kids[slot] = min(fact.offset, self._kids.get(slot, fact.offset))

    def told_under(self, facts: Sequence[Fact], keyring: Keyring) -> Iterator[Fact]:
        """Those of the tenant, under the key ids that were live when their event was taken in.

        While keys rotate an event is told under each live one. One of before the rotation stands under the older alone,
        and must not seem to be news under the newer.
        """
        rotating = len(keyring.kids) > 1
        for fact in facts:
            since = self._kids.get((fact.partition, fact.key[KID])) if rotating else 0
            if self._tenant in (None, fact.tenant) and since is not None and fact.offset >= since:
                yield fact
