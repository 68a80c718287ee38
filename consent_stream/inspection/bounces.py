"""Bounces of a window that were none, as when a provider was out of order; and what takes them back.

1. Only facts of `delivery.bounced` are ever selected: no person said any of them. What people said is in other facts.
2. A bounce is not deleted. A delivery that is later than it by a microsecond makes up for it, and for nothing that
   comes later still: undeliverable while B.hi ≥ V.lo (RULES §6).
3. An address that other bounces hold, from before, meanwhile or since, is left as it is: one delivery would make up for
   those before it too.
4. The ledger knows of a bounce its source, not its status nor the domain of its address. These stand in the event, in
   `consent.events`, for 7 days.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import orjson
from confluent_kafka import Message

from consent_stream.domain.addresses import canonical_email
from consent_stream.domain.clearing import undeliverable
from consent_stream.domain.events import read_type
from consent_stream.domain.facts import CHANNEL_MASK, Delivery, Fact
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import HOUR, MINUTE, TOLERANCE
from consent_stream.inspection.topicread import Told, Unread, read
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.records import read_events
from consent_stream.wire.topics import EVENTS, LEDGER

TYPE = "delivery.bounced"
UNKNOWN = "(not known any more)"
FEW, ENOUGH = "(domains of few addresses)", 5  # the domain of one person is part of an address
SLACK = HOUR  # by which a fact may seem to be written before its event: clocks of workers and brokers differ
YOUNG = MINUTE  # a delivery must lie in the past by the brokers' clock, which may be behind ours

Fate = Literal["deliverable", "already", "otherwise", "not_yet"]
Event = tuple[int, int, str, str]  # partition and offset in `consent.events`, source and id of the event
Tell = Callable[[str], Told]


class Wanted(NamedTuple):
    """Which bounces, by when they were accepted. Units: µs, `until` exclusive. Empty is all."""

    tenant: str
    since: int
    until: int
    sources: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    @property
    def by_event(self) -> bool:
        """Whether the ledger alone does not tell."""
        return bool(self.statuses or self.domains)


class Said(NamedTuple):
    """What an event says of a bounce. domain: of the address, without whose it is."""

    status: str
    domain: str


@dataclass(slots=True)
class Course:
    """One address key: the greatest of its deliveries, and of its bounces, apart by whether they are to be undone."""

    channels: int
    selected: Delivery
    other: Delivery | None = None
    delivered: Delivery | None = None


@dataclass
class Found:
    """selected: bounces by source, domain and status. domains: how many keys each has. keys: address key → its course.
    unknown: bounces of the window that were left out, for their event is there no more and was asked about. unreadable:
    records of the ledger."""

    selected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    keys: dict[bytes, Course] = field(default_factory=dict)
    unknown: int = 0
    unreadable: int = 0


def find_bounces(settings: Settings, generation: int, wanted: Wanted, tell: Tell) -> Found:
    """The bounces of a window, and all deliveries and bounces of their addresses, ever.

    Memory: half a KiB a bounce of the window. Errors: Unread; also when status or domain is asked and `consent.events`
    cannot be read.
    """
    events = _events(settings, wanted, tell("events"))
    found, chosen = Found(), set[tuple[bytes, Event]]()
    since = wanted.since - SLACK
    for fact in _facts(read(settings, LEDGER, generation, since=since, told=tell("bounces")), found):
        event = event_of(fact)
        if is_selected(fact, wanted, events):
            told = (events or {}).get(event, Said(UNKNOWN, UNKNOWN))
            found.selected[fact.source, told.domain, told.status] += 1
            found.domains[told.domain] += fact.key not in found.keys
            chosen.add((fact.key, event))
            for part in _deliveries(fact):
                course = found.keys.setdefault(fact.key, Course(fact.channels, part))
                course.selected = max(course.selected, part)
        elif wanted.by_event and is_selected(fact, wanted._replace(statuses=(), domains=()), None):
            found.unknown += event not in (events or {})
    if found.keys:
        found.unreadable = 0  # the second reading sees them all
        for fact in _facts(read(settings, LEDGER, generation, told=tell("ledger")), found, found.keys):
            if (fact.key, event_of(fact)) not in chosen or fact.type != TYPE:
                add_other(found.keys[fact.key], fact)
    return found


def counts(found: Found, wanted: Wanted) -> list[tuple[tuple[str, str, str], int]]:
    """How many bounces by source, domain and status, the most first. A domain is named if it was asked for, or has
    enough addresses."""
    told = Counter[tuple[str, str, str]]()
    for (source, domain, status), count in found.selected.items():
        named = domain in (UNKNOWN, *wanted.domains) or found.domains[domain] >= ENOUGH
        told[source, domain if named else FEW, status] += count
    return told.most_common()


def event_of(fact: Fact) -> Event:
    """Which event a fact is of: a record may hold a batch of them."""
    return fact.partition, fact.offset, fact.source, fact.id


def is_selected(fact: Fact, wanted: Wanted, events: dict[Event, Said] | None) -> bool:
    """Whether a fact is a bounce to be undone. Laws: no fact of another type ever is."""
    if fact.type != TYPE or fact.tenant != wanted.tenant or not wanted.since <= fact.received < wanted.until:
        return False
    if not any(part.bounced for part in _deliveries(fact)) or (wanted.sources and fact.source not in wanted.sources):
        return False
    if not wanted.by_event:
        return True
    told = (events or {}).get(event_of(fact))
    return (
        told is not None
        and (not wanted.statuses or told.status in wanted.statuses)
        and (not wanted.domains or told.domain in wanted.domains)
    )


def add_other(course: Course, fact: Fact) -> None:
    """Take in a fact that is not to be undone."""
    for part in _deliveries(fact):
        if part.bounced:
            course.other = part if course.other is None else max(course.other, part)
        else:
            course.delivered = part if course.delivered is None else max(course.delivered, part)


def _deliveries(fact: Fact) -> Iterator[Delivery]:
    return (part for part in fact.parts if isinstance(part, Delivery))


def fate_of(course: Course, now: int) -> Fate:
    """What undoing comes to: `deliverable` after it; `already` without it; `otherwise` not, for other bounces hold it;
    `not_yet`, for a bounce is dated later than now."""
    if not _held(course, course.delivered, now):
        return "already"
    if course.other is not None and _held(course, course.delivered, now, course.other):
        return "otherwise"
    made_up = Delivery(False, course.selected.time + 1, "", "")
    return "deliverable" if not _held(course, made_up, now - YOUNG) else "not_yet"


def _held(course: Course, delivered: Delivery | None, at: int, bounced: Delivery | None = None) -> bool:
    reg = Registers("", course.channels)
    reg.bounced = bounced or max(filter(None, (course.selected, course.other)))
    reg.delivered = delivered
    return undeliverable(reg, at)


def fates(found: Found, now: int) -> Counter[Fate]:
    """How many keys come to what."""
    return Counter(fate_of(course, now) for course in found.keys.values())


class Signed(NamedTuple):
    """Who undoes it, why, and as which source of the policy (clock: `ours` or `signed`)."""

    source: str
    clock: str
    approved_by: tuple[str, ...]
    reason: str


def undo_event(key: bytes, course: Course, tenant: str, signed: Signed) -> bytes:
    """The delivery that makes up for the selected bounces of a key. The same bounces make the same event."""
    bounce = course.selected
    lo = bounce.time + 1
    digest = hashlib.sha256(f"{bounce.source}\0{bounce.id}".encode()).hexdigest()[:16]
    data: dict[str, object] = {
        "keys": [key.hex()],
        "approved_by": list(signed.approved_by),
        "reason": signed.reason,
        "undoes": {"type": TYPE, "source": bounce.source, "id": bounce.id},
    }
    channels = [name for name, mask in CHANNEL_MASK.items() if mask == course.channels]
    if channels:  # or the key would stand for an address of either
        data["channel"] = channels[0]
    return orjson.dumps({
        "specversion": "1.0",
        "id": f"undo-bounce:{bounce.time}:{digest}:{key.hex()}",
        "source": signed.source,
        "type": "delivery.succeeded.v1",
        "time": _text(lo if signed.clock == "ours" else lo + TOLERANCE),
        "tenant": tenant,
        "datacontenttype": "application/json",
        "data": data,
    })  # fmt: skip


def _text(instant: int) -> str:
    seconds, rest = divmod(instant, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"


# -- reading


def _facts(batches: Iterable[list[Message]], found: Found, of: dict[bytes, Course] | None = None) -> Iterator[Fact]:
    """Facts of deliveries and bounces; of these keys alone."""
    for batch in batches:
        for message in batch:
            key, value = message.key(), message.value() or b""
            if key not in of if of is not None else TYPE.encode() not in value:
                continue  # most are not of it, and are not decoded
            try:
                yield decode_fact(key, value)
            except WireError:
                found.unreadable += 1


def _events(settings: Settings, wanted: Wanted, told: Told) -> dict[Event, Said] | None:
    """What events of the window say of their bounces; None where they cannot be read and are not needed.

    Errors: Unread.
    """
    found: dict[Event, Said] = {}
    try:
        for batch in read(settings, EVENTS, since=wanted.since, told=told):
            for message in batch:
                if message.timestamp()[1] * 1000 < wanted.until and b"bounced" in (message.value() or b""):
                    found |= bounces_in(message.value() or b"", (message.partition(), message.offset()))
    except Unread:
        if wanted.by_event:
            raise
        return None
    return found


def bounces_in(value: bytes, place: tuple[int, int]) -> dict[Event, Said]:
    """What the bounces in a record of `consent.events` say."""
    try:
        events = read_events(value)
    except WireError:
        return {}
    found: dict[Event, Said] = {}
    for event in events:
        if (
            not isinstance(event, dict)
            or not isinstance(event.get("type"), str)
            or read_type(event["type"]).name != TYPE
        ):
            continue
        data: Any = event.get("data")
        source, ident = (each if isinstance(each, str) else "" for each in (event.get("source"), event.get("id")))
        slot = (*place, source, ident)
        told = _told(data if isinstance(data, dict) else {})
        known = found.get(slot)
        # Two of one name in a batch that say different things: neither is taken for what was asked.
        found[slot] = told if known in (None, told) else Said(UNKNOWN, UNKNOWN)
    return found


def _told(data: dict[str, Any]) -> Said:
    status, email = data.get("status"), data.get("email")
    address = canonical_email(email) if isinstance(email, str) else None
    return Said(
        status if isinstance(status, str) and len(status) < 20 and status.replace(".", "").isdigit() else UNKNOWN,
        address.rpartition("@")[2] if address else UNKNOWN,
    )


def domain_of(text: str) -> str | None:
    """A domain as addresses of it have it; None for what is none."""
    address = canonical_email(f"x@{text}")
    return address.rpartition("@")[2] if address else None
