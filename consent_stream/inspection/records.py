"""A record of any topic that on-call looks at, as one row in plain values. Pure.

1. A key is hex, never an address. The key and the value of a record in `consent.quarantine` are what a sender sent:
   nothing of them is in a row, but the key where it is a subject key of ours.
2. A record that cannot be read is a row too: its coordinates, and what is wrong with it.
3. What is no word about anybody, such as a heartbeat, is no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from consent_stream.domain.facts import KINDS, Fact, Restriction
from consent_stream.domain.nodes import Node
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import Standing, lists_concerned
from consent_stream.inspection.partwords import SORTS, parts_of, purposes, sort_of, stands_for, words
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import Change, decode_change
from consent_stream.wire.keys import HEARTBEAT_KEY, is_subject_key
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.records import told_headers
from consent_stream.wire.send import OUTCOMES, Send, decode_send
from consent_stream.wire.state import decode_registers
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.topics import CHANGES, LEDGER, QUARANTINE, SENDS, STATE, SUPPRESSION, Topic

STATUSES = ("CLEAR", "PARTIAL", "SUPPRESSED")
Headers = Iterable[tuple[str, bytes | None]]


class Raw(NamedTuple):
    """A record as it lies in a topic. written: Kafka's timestamp in microseconds, None where it has none."""

    partition: int
    offset: int
    written: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


class Row(NamedTuple):
    """A record in plain values; what its topic does not tell is empty.

    key: of a subject. channels: a list, or what the key stands for. kinds: what it says (`tail --help` lists them by
    topic). id, source, type: of the event behind it, received at `received` (µs) as (partition, offset) in
    `consent.events`. before, after: in words. trouble: why it cannot be read.
    """

    topic: str
    partition: int
    offset: int
    written: int | None
    key: bytes | None = None
    tenant: str = ""
    channels: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    kinds: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    type: str = ""
    source: str = ""
    id: str = ""
    event: tuple[int, int] | None = None
    received: int | None = None
    derived: bool = False
    trouble: str | None = None

    @property
    def latency(self) -> int | None:
        """Microseconds from the event's acceptance to the record; Kafka tells when that was written in milliseconds."""
        return None if self.received is None or self.written is None else self.written - self.received

    def fields(self) -> dict[str, Any]:
        """As JSON has it. Units: `written`, `received` microseconds, `latency_ms` milliseconds."""
        return {
            **self._asdict(),
            "key": self.key and self.key.hex(),
            "event": self.event and {"partition": self.event[0], "offset": self.event[1]},
            "latency_ms": None if self.latency is None else self.latency / 1000,
        }


def kinds_of(topic: Topic) -> frozenset[str]:
    """What the `kinds` of its rows may be."""
    if topic is CHANGES:
        return frozenset(("tighter", "looser", "other"))
    if topic is SENDS:
        return frozenset(OUTCOMES)
    if topic is QUARANTINE:
        return frozenset(("intake", "state"))
    return SORTS if topic in (LEDGER, STATE) else frozenset(status.lower() for status in STATUSES)


def row_of(topic: Topic, raw: Raw) -> Row | None:
    """The row of a record; None for one that is no word about anybody."""
    if raw.key == HEARTBEAT_KEY:
        return None
    bare = Row(topic.name, raw.partition, raw.offset, raw.written, raw.key if is_subject_key(raw.key) else None)
    try:
        return READERS[topic](bare, raw)
    except WireError as error:
        return bare._replace(trouble=f"{error.code}: {error}")


def _change(row: Row, raw: Raw) -> Row:
    return change_row(row, decode_change(raw.value or b""))


def change_row(row: Row, found: Change) -> Row:
    """A bare row with what a change tells."""
    before, after = found.before, found.after
    reasons = [*after.reasons, *(reason for reason in before.reasons if reason not in after.reasons)]
    labels = (before.label, after.label) if before[:3] == after[:3] else ("", "")
    return row._replace(
        tenant=found.tenant,
        channels=(found.channel,),
        purposes=("sharing",) if found.channel == "sharing" else ("marketing",),
        before=_standing(before, labels[0]),
        after=_standing(after, labels[1]),
        kinds=(direction(before, after),),
        reasons=tuple(reasons),
        type=found.type,
        source=found.source,
        id=found.id,
        event=(found.partition, found.offset),
        received=found.received,
        derived=found.derived,
    )


def direction(before: Standing, after: Standing) -> str:
    """Which way a standing went: `tighter`, `looser`, or `other` where it is both or neither."""
    ranks = [STATUSES.index(each.status) if each.status in STATUSES else len(STATUSES) for each in (before, after)]
    had, has = (frozenset(each.reasons + each.blocked_scopes) for each in (before, after))
    if ranks[1] > ranks[0] or (ranks[1] == ranks[0] and has > had):
        return "tighter"
    if ranks[1] < ranks[0] or (ranks[1] == ranks[0] and has < had):
        return "looser"
    return "other"


def _standing(standing: Standing, label: str) -> str:
    held = standing.reasons or standing.blocked_scopes
    return " ".join(filter(None, (standing.status, ",".join(held), label)))


def _fact(row: Row, raw: Raw) -> Row:
    return fact_row(row, decode_fact(raw.key, raw.value or b""))


def fact_row(row: Row, fact: Fact) -> Row:
    """A bare row with what a fact tells."""
    return row._replace(
        tenant=fact.tenant,
        channels=_lists(fact) or stands_for(fact.channels),
        purposes=purposes(fact.parts),
        after="; ".join(words(part) for part in fact.parts) or "nothing of effect",
        kinds=tuple(dict.fromkeys(sort_of(part) for part in fact.parts)),
        reasons=tuple(dict.fromkeys(part.kind for part in fact.parts if isinstance(part, Restriction))),
        type=fact.type,
        source=fact.source,
        id=fact.id,
        event=(fact.partition, fact.offset),
        received=fact.received,
        derived=fact.derived,
    )


def _lists(fact: Fact) -> tuple[str, ...]:
    reg = Registers(fact.tenant, fact.channels)
    reg.apply(fact)
    return lists_concerned(fact.parts, reg)


def _state(row: Row, raw: Raw) -> Row:
    if raw.value is None:
        return row._replace(after="no row")
    reg = decode_registers(raw.value)
    return _of_registers(row, reg)._replace(channels=stands_for(reg.channels))


def _of_registers(row: Row, reg: Registers) -> Row:
    parts = list(parts_of(reg))
    links = f"; {len(reg.links)} links" if reg.links else ""
    return row._replace(
        tenant=reg.tenant,
        purposes=purposes(parts),
        after=("; ".join(map(words, parts)) or "nothing") + links,
        kinds=tuple(dict.fromkeys(map(sort_of, parts))),
        reasons=tuple(kind for kind in KINDS if any(kind == slot[0] for slot in reg.restrictions)),
    )


def _entry(row: Row, raw: Raw) -> Row:
    if raw.value is None:
        return row._replace(trouble="null: gates deny this key (not_ready)")
    found = decode_entry(raw.value)
    standing = Standing(found.status, found.reasons, found.blocked_scopes, "")
    return _of_registers(row, found.registers)._replace(
        tenant=found.tenant,
        channels=(found.channel,),
        after=_standing(standing, f"version {found.version}"),
        kinds=(found.status.lower(),),
        reasons=found.reasons,
        id=found.cause_id,
        event=(found.cause_partition, found.cause_offset),
    )


def _send(row: Row, raw: Raw) -> Row:
    return send_row(row, decode_send(raw.value or b""))


def send_row(row: Row, send: Send) -> Row:
    """A bare row with what became of a message."""
    return row._replace(
        tenant=send.tenant,
        channels=(send.channel,),
        purposes=(send.purpose,),
        before=" ".join(("allow" if send.allow else "deny", *([",".join(send.reasons)] if send.reasons else []))),
        after=send.outcome,
        kinds=(send.outcome,),
        reasons=send.reasons,
        type=str(Node(send.purpose, send.channel, send.scope)),
        source=send.sender,
        id=send.message_id,
    )


def _quarantined(row: Row, raw: Raw) -> Row:
    told = told_headers(raw.headers)
    place = (told.get("partition", ""), told.get("offset", ""))
    known = place if all(each.isascii() and each.isdigit() and len(each) < 20 for each in place) else None
    return row._replace(
        after=" ".join(filter(None, (f"{len(raw.value or b'')} bytes", told.get("message")))),
        kinds=(told.get("stage", ""),),
        reasons=(told.get("code", ""),),
        source=told.get("topic", ""),
        event=None if known is None else (int(known[0]), int(known[1])),
        trouble=None if "code" in told else "no consent-error-code",
    )


READERS: dict[Topic, Callable[[Row, Raw], Row]] = {
    CHANGES: _change,
    LEDGER: _fact,
    STATE: _state,
    SENDS: _send,
    QUARANTINE: _quarantined,
    **dict.fromkeys(SUPPRESSION.values(), _entry),
}
