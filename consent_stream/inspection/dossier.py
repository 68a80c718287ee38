"""All that is known of some subject keys, as on-call reads it: registers in words, lists, and what happened, in order.

Pure: what a `History` holds, told. Keys are hex; of a birth only until when somebody counts as a child.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from consent_stream.domain.facts import Birth, Delivery, Grant, Lift, Part, Request, Restriction, Void
from consent_stream.domain.nodes import EVERYTHING
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import adult_from
from consent_stream.inspection.history import History, Place
from consent_stream.inspection.partwords import parts_of, sort_of, stands_for
from consent_stream.inspection.records import Row, change_row, fact_row, send_row
from consent_stream.wire.keys import kind_of
from consent_stream.wire.suppression import Entry
from consent_stream.wire.topics import CHANGES, LEDGER, SENDS


class Held(NamedTuple):
    """One part that a key's registers hold. sort: `restriction`, `grant`, `lift`, `void`, `birth`, `bounced`,
    `delivered`, `request`.

    what: a restriction's kind, a grant's evidence, what a lift lifts or a void voids. about: a node. since: hi of a
    restriction or birth, lo of a grant, lift or request, the time of a delivery, from when on a credential was lost;
    None for a void that holds for all time. until: of a grant; of a birth, when the person is of age. Units: µs.
    """

    sort: str
    what: str
    about: str
    since: int | None
    until: int | None
    event: str
    source: str
    type: str = ""
    more: str = ""


def held(reg: Registers) -> list[Held]:
    """All parts, the restrictions first."""
    return [_held(part) for part in parts_of(reg)]


def _held(part: Part) -> Held:
    if isinstance(part, Restriction):
        reach = "reaches linked contacts" if part.open else ""
        return Held("restriction", part.kind, str(part.node), part.hi, None, part.id, part.source, part.type, reach)
    if isinstance(part, Grant):
        what, since, until = f"E{part.level}", part.lo, part.valid_until
        return Held("grant", what, str(part.node), since, until, part.id, part.source, part.type, _terms(part))
    if isinstance(part, Lift):
        return Held("lift", part.kind, str(part.node), part.lo, None, part.id, part.source)
    if isinstance(part, Void):
        return Held("void", part.selector, str(EVERYTHING), part.since or None, None, part.id, part.source)
    if isinstance(part, Birth):
        return Held("birth", "", str(EVERYTHING), part.hi, adult_from(part.date), part.id, part.source)
    if isinstance(part, Delivery):
        return Held(sort_of(part), "", "", part.time, None, part.id, part.source)
    assert isinstance(part, Request)
    return Held("request", "", f"{part.purpose}:{part.channel}", part.lo, None, part.id, part.source)


def _terms(grant: Grant) -> str:
    parts = (
        f"notice {grant.notice_id} version {grant.notice_version}" if grant.notice_id else "",
        f"names {', '.join(map(str, grant.names))}" if grant.names else "",
        f"batch {grant.batch}" if grant.batch else "",
        f"credential {grant.credential}" if grant.credential else "",
    )
    return "; ".join(filter(None, parts))


def role_of(key: bytes, bases: Collection[bytes] = ()) -> str:
    """What a key stands for: an address, its base form (RULES §6), or a contact."""
    return "base" if key in bases else kind_of(key)


def events(history: History) -> list[Row]:
    """What happened to the keys, in the order in which it was written: facts, changes of lists, messages."""
    return [row for _, _, row in sorted(_ordered(history), key=lambda each: each[:2])]


def _ordered(history: History) -> Iterator[tuple[int, int, Row]]:
    # A fact and what it changes may be written in one millisecond.
    for place, fact in history.facts:
        yield place.written, 0, fact_row(_bare(LEDGER.name, place, fact.key), fact)
    for place, key, change in history.changes:
        yield place.written, 1, change_row(_bare(CHANGES.name, place, key), change)
    for place, send in history.sends:
        yield place.written, 2, send_row(_bare(SENDS.name, place, send.keys[0]), send)


def _bare(topic: str, place: Place, key: bytes) -> Row:
    return Row(topic, place.partition, place.offset, place.written, key)


def fields(history: History, bases: Collection[bytes] = ()) -> dict[str, Any]:
    """As JSON has it. bases: keys of base forms. Times in microseconds."""
    return {
        "generation": history.generation,
        "through": history.through,
        "keys": [{"kind": role_of(key, bases), **_key_fields(history, key)} for key in history.keys],
        "history": [row.fields() for row in events(history)],
        "damaged": [{"topic": each.topic, **each.place._asdict(), "why": each.why} for each in history.damaged],
        "read": dict(history.read),
    }


def _key_fields(history: History, key: bytes) -> dict[str, Any]:
    reg = history.rows.get(key)
    lists = {name: _entry_fields(*found) for (name, each), found in history.entries.items() if each == key}
    return {
        "key": key.hex(),
        "known": reg is not None,
        "tenant": reg and reg.tenant,
        "stands_for": stands_for(reg.channels) if reg else (),
        "registers": [part._asdict() for part in held(reg)] if reg else [],
        "links": len(reg.links) if reg else 0,
        "lists": lists,
    }


def _entry_fields(place: Place, entry: Entry) -> dict[str, Any]:
    names = ("status", "reasons", "blocked_scopes", "minor_until", "generation", "version")
    cause = {"id": entry.cause_id, "partition": entry.cause_partition, "offset": entry.cause_offset}
    return {**{name: getattr(entry, name) for name in names}, "cause": cause, "place": place._asdict()}
