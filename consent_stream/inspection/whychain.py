"""The answer to "why" as plain records, which a terminal, a page or a program can draw. Nothing is decided here.

event (source, time, place) → fact (evidence, interval) → register (what stood there before) → record of the list →
gates that have it → messages after it. Times are microseconds; keys are hex, and no address is in any of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Subject:
    """A subject key that was looked up. kind: `address`, `contact`, or `base` of the address without its tag."""

    key: str
    kind: str
    known: bool  # whether a fact of it was found


@dataclass(frozen=True)
class Link:
    """Over what a derived fact came: the linked key under which the event's own fact lies, when it was found there.

    direct: whether that one is of the event itself, or came over a link in turn.
    """

    key: str
    kind: str
    direct: bool


@dataclass(frozen=True)
class Part:
    """One thing that a fact says, and what it comes to in the answer.

    kind: of a restriction, or `grant`, `lift`, `void`, `birth`, `bounce`, `delivery`. node: what it is about.
    since: from when on: the end of its interval where it forbids, the beginning where it permits. until: of a grant.
    comes_to: of a restriction `stands`, `lifted`, `cleared`, `not_asked`; of a grant `counts`, `void`, `not_yet`,
    `expired`, `too_weak`; of any `later` (had not happened then), `replaced` (another of the same sort is kept), or
    empty. by: ids of the events that lifted, cleared or voided it, or that replaced it.
    before, after: the event whose part the register held before and after this fact; None where it was empty.
    """

    kind: str
    node: str
    since: int
    comes_to: str = ""
    by: tuple[str, ...] = ()
    until: int | None = None
    level: int | None = None
    notice_id: str = ""
    notice_version: str = ""
    about: str = ""  # a lift: the kind it lifts; a void: what it takes out of counting
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class FactTold:
    """One fact of an event, under one of the keys. Its own place is in `consent.ledger`."""

    key: str
    kind: str
    partition: int
    offset: int
    written: int
    derived: bool
    over: Link | None
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Change:
    """How the standing on a list changed by an event, as `consent.changes` has it."""

    list: str
    key: str
    version: int
    before: str
    after: str
    reasons_before: tuple[str, ...]
    reasons_after: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """An event that concerns the question, with all that came of it. partition, offset: in `consent.events`.

    received: when Kafka took it. decides: whether the answer rests on it. before, after: the reasons against, by what
    was known before it was received and with it.
    """

    id: str
    source: str
    type: str
    received: int
    partition: int
    offset: int
    decides: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    facts: tuple[FactTold, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Permission:
    """The grant that an answer of yes rests on. sha256: of the notice's text; None where no policy file tells it."""

    event: str
    source: str
    node: str
    level: int
    since: int
    until: int
    notice_id: str
    notice_version: str
    sha256: str | None


@dataclass(frozen=True)
class ListRecord:
    """The record that stands on a list now. cause: the event that last changed it, by id and place."""

    list: str
    key: str
    kind: str
    status: str
    reasons: tuple[str, ...]
    blocked_scopes: tuple[str, ...]
    version: int
    generation: int
    cause: str
    cause_partition: int
    cause_offset: int
    partition: int
    offset: int
    written: int


@dataclass(frozen=True)
class GateTold:
    """Whether a gate has the last deciding event. state: `reached`, `behind`, `silent`; since: see `barrier`."""

    gate: str
    name: str
    host: str
    list: str
    state: str
    since: int
    lag: str | None


@dataclass(frozen=True)
class SendTold:
    """A message. at: of the hand-over, or of the end where none was. allow, reasons: what the gate said.

    after: whether it came at or after the last deciding event. late_by: by how long it came after a withdrawal; None
    when it did not. permitted: None where that cannot be told yet.
    """

    message_id: str
    sender: str
    gate: str
    purpose: str
    scope: str
    at: int
    outcome: str
    allow: bool
    reasons: tuple[str, ...]
    version: int
    after: bool
    permitted: bool | None
    late_by: int | None


@dataclass(frozen=True)
class Trouble:
    """A record of these keys that cannot be read; it may say otherwise. topic: full name."""

    topic: str
    partition: int
    offset: int
    why: str


@dataclass(frozen=True)
class Chain:
    """A verdict and the chain behind it.

    at: the instant decided for. known_at: what was received later is left out. sentence: the answer in words; story:
    what led to it, in order of time, a sentence each. words: what each reason means. rules: of the tenant.
    events: those that concern the question, in the order in which they were received; beside: how many others.
    list_reasons: what the records of the list say now, by the same rules; None when the past was asked for.
    through: whatever was accepted before it is in; 0 where no worker says so. cautions: why this may not be all.
    """

    tenant: str
    channel: str
    purpose: str
    scope: str
    subjects: tuple[Subject, ...]
    at: int
    known_at: int
    allow: bool
    reasons: tuple[str, ...]
    words: dict[str, str]
    sentence: str
    story: tuple[str, ...]
    deciding: tuple[str, ...]
    permission: Permission | None
    basis: str
    min_evidence: int
    allow_migrated: bool
    events: tuple[Event, ...]
    beside: int
    lists: tuple[ListRecord, ...]
    list_reasons: tuple[str, ...] | None
    gates: tuple[GateTold, ...]
    sends: tuple[SendTold, ...]
    through: int
    damaged: tuple[Trouble, ...]
    cautions: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """For JSON; the shape is in docs/why.md."""
        return asdict(self)
