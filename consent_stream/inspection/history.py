"""All that the topics hold of some subject keys, read from the partitions in which these keys lie and no others.

1. Keys are compared as bytes before anything is decoded: of a ledger of years nearly every record is somebody else's.
2. Order matters, as in `lateness`: first how far the ledger is whole, then everything, so that every fact of an event
   accepted before `through` is at hand.
3. Facts travel over links. So the ledger is read for the linked keys too, which tell where a derived fact came from;
   their facts are beside, in `linked`, and count for no answer.
4. A record of a wanted key that this version cannot read is named in `damaged`: it may be a withdrawal.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from confluent_kafka import Message

from consent_stream.domain.facts import CONTACT, Fact
from consent_stream.domain.policy import Policy
from consent_stream.domain.registers import Registers
from consent_stream.inspection.lateness import in_force
from consent_stream.inspection.placement import partition_of
from consent_stream.inspection.settled import Settled, await_settled
from consent_stream.inspection.topicread import read
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import Change, decode_change
from consent_stream.wire.keys import kind_of
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.send import Send, decode_send
from consent_stream.wire.state import decode_registers
from consent_stream.wire.suppression import Entry, decode_entry
from consent_stream.wire.topics import CHANGES, LEDGER, SENDS, STATE, SUPPRESSION, Topic

FACTS, ROWS, ENTRIES, CHANGED, SENT = PARTS = ("facts", "rows", "entries", "changes", "sends")
Tell = Callable[[str, int, int], None]  # (what is read, records read, records to read)
T = TypeVar("T")


class Place(NamedTuple):
    """Where a record lies, and when it was written as Kafka has it (microseconds)."""

    partition: int
    offset: int
    written: int


class Placed(NamedTuple):
    """A fact, and its own place in the ledger; that of its event in `consent.events` is in the fact."""

    place: Place
    fact: Fact


class Damaged(NamedTuple):
    """A record of a wanted key that cannot be read. topic: full name; why: a code of the wire."""

    topic: str
    place: Place
    why: str


@dataclass
class History:
    """What was found. generation, policy: those that gates obey.

    facts: of the keys asked for, as they lie in the ledger; linked: those of keys that are linked to them.
    links: these linked keys, and what they stand for. rows: key → registers now. entries: (list, key) → the record that
    stands there now, and its place. sends: those that rested on a key. All in the order of their places.
    read: topic → records looked at.
    through: microseconds; whatever was accepted before it is in. 0: no worker says so, the newest may be missing.
    """

    keys: tuple[bytes, ...]
    generation: int
    policy: Policy
    through: int = 0
    facts: list[Placed] = field(default_factory=list)
    linked: list[Placed] = field(default_factory=list)
    links: dict[bytes, int] = field(default_factory=dict)
    rows: dict[bytes, Registers] = field(default_factory=dict)
    entries: dict[tuple[str, bytes], tuple[Place, Entry]] = field(default_factory=dict)
    changes: list[tuple[Place, bytes, Change]] = field(default_factory=list)
    sends: list[tuple[Place, Send]] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)


def read_history(
    settings: Settings,
    keys: Iterable[bytes],
    *,
    parts: Collection[str] = PARTS,
    seconds: float = 10.0,
    tell: Tell = lambda *_: None,
) -> History:
    """The history of some keys. parts: which of `PARTS` are wanted; each is a topic, or the lists, to be read once.

    seconds: how long to wait until the workers have worked off what is accepted by now.
    Errors: Unread when Kafka, a topic, or a worker's control records cannot be read.
    """
    generation, policy, counts = in_force(settings)
    history = History(tuple(dict.fromkeys(keys)), generation, policy)
    settled = Settled(0, {})
    if FACTS in parts:
        settled = await_settled(settings, generation, counts, time.time_ns() // 1000, seconds)
        history.through = settled.through
    reading = _Reading(settings, history, tell)
    own = frozenset(history.keys)
    if ROWS in parts or FACTS in parts or SENT in parts:
        _rows(reading, own)
    history.links = _links(history)
    if SENT in parts:
        _sends(reading, own)
    if FACTS in parts:
        _facts(reading, own, settled)
    if ENTRIES in parts:
        _entries(reading, own)
    if CHANGED in parts:
        for place, key, change in reading.records(CHANGES, own, lambda _, value: decode_change(value)):
            history.changes.append((place, key, change))
    return history


class _Reading:
    """The records of some keys of one topic after the other, decoded; what cannot be is noted as damaged."""

    def __init__(self, settings: Settings, history: History, tell: Tell) -> None:
        self.history, self._settings, self._tell = history, settings, tell

    def records(
        self,
        topic: Topic,
        keys: Collection[bytes],
        decode: Callable[[bytes, bytes], T],
        *,
        among: Collection[bytes] = (),
        least: Mapping[int, int] = {},
    ) -> Iterator[tuple[Place, bytes, T]]:
        """Place, key and content of each record of some keys; `among`: of keys whose values may name one of those."""
        name = topic.full(self._settings.topic_prefix, self.history.generation)
        everywhere = {*keys, *among}

        def told(done: int, of: int) -> None:
            self._tell(name, done, of)

        def where(count: int) -> set[int]:
            return {partition_of(key, count) for key in everywhere}

        for batch in read(self._settings, topic, self.history.generation, least=least, only=where, told=told):
            self.history.read[name] += len(batch)
            found = [message for message in batch if message.key() in everywhere]
            if among:
                found = [each for each in found if each.key() in keys or _names(each, keys)]
            for message in found:
                try:
                    yield _place(message), message.key(), decode(message.key(), message.value() or b"")
                except WireError as error:
                    self.history.damaged.append(Damaged(name, _place(message), error.code))


def _names(message: Message, keys: Collection[bytes]) -> bool:
    value = message.value() or b""
    return any(key in value for key in keys)


def _place(message: Message) -> Place:
    return Place(message.partition(), message.offset(), message.timestamp()[1] * 1000)


def _rows(reading: _Reading, keys: Collection[bytes]) -> None:
    rows = reading.history.rows

    def row(_: bytes, value: bytes) -> Registers | None:
        return decode_registers(value) if value else None

    for _, key, registers in reading.records(STATE, keys, row):
        if registers is None:  # a tombstone
            rows.pop(key, None)
        else:
            rows[key] = registers


def _links(history: History) -> dict[bytes, int]:
    """Keys linked to those asked for, and what they stand for."""
    found: dict[bytes, int] = {}
    for registers in history.rows.values():
        for key, channels in registers.links.items():
            found[key] = found.get(key, 0) | channels
    return {key: channels for key, channels in found.items() if key not in history.keys}


def _sends(reading: _Reading, own: frozenset[bytes]) -> None:
    """A send lies under its address and names the contact: those of a contact lie under all its addresses."""
    people = any(kind_of(key) == "contact" for key in own)
    addresses = {key for key, channels in reading.history.links.items() if not channels & CONTACT} if people else ()
    for place, _, send in reading.records(SENDS, own, lambda _, value: decode_send(value), among=addresses):
        if own.intersection(send.keys):
            reading.history.sends.append((place, send))


def _facts(reading: _Reading, own: frozenset[bytes], settled: Settled) -> None:
    keys = own | reading.history.links.keys()
    for place, key, fact in reading.records(LEDGER, keys, decode_fact, least=settled.ends):
        (reading.history.facts if key in own else reading.history.linked).append(Placed(place, fact))


def _entries(reading: _Reading, keys: Collection[bytes]) -> None:
    """The record that gates keep: the greater version stands, and equal ones are equal bytes (`gate.rows`)."""
    entries = reading.history.entries
    for channel, topic in SUPPRESSION.items():
        for place, key, entry in reading.records(topic, keys, lambda _, value: decode_entry(value)):
            known = entries.get((channel, key))
            if known is None or (entry.generation, entry.version) >= (known[1].generation, known[1].version):
                entries[channel, key] = (place, entry)
