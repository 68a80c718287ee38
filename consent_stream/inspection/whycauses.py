"""What took a restriction back, and what took a grant out of counting: by name, out of the rules themselves. Pure.

The rules say that something is lifted, cleared or void, and not by what. So they are asked again with one candidate at
a time: what alone is enough is a cause. No rule is written a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent_stream.domain.clearing import NEVER, View, ages, lifted, undeliverable
from consent_stream.domain.decide import AGED, weigh
from consent_stream.domain.facts import Birth, Delivery, Grant, Lift, Restriction, Void
from consent_stream.domain.nodes import ANY, EVERYTHING, Node
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers

Known = Restriction | Grant | Birth | Delivery
Came = tuple[str, tuple[str, ...]]  # (what a part comes to, ids of the events by which)


@dataclass
class Causes:
    """What the parts in some rows come to. used: ids of events that lifted, cleared or voided something."""

    of: dict[tuple[bytes, Known], Came] = field(default_factory=dict)  # (subject key, part)
    used: set[str] = field(default_factory=set)


def causes(x: Node, at: int, rows: Mapping[bytes, View], rules: Tenant, channel: str) -> Causes:
    """For every part in these rows that concerns a question; arguments as of `domain.decide.decide`, views by key."""
    found, views = Causes(), list(rows.values())
    # An equal part may stand under two keys and be lifted under one of them; all else is the same under both.
    standing: dict[tuple[bool, Any], str] = {}
    for fact, of_base, comes_to in weigh(x, at, views, rules, channel):
        if comes_to != "lifted" or (of_base, fact) not in standing:
            standing[of_base, fact] = comes_to
    counting = [part for (_, part), comes_to in standing.items() if comes_to == "counts"]
    cleared = _cleared(x, at, views, rules, channel, counting)
    voided = _voided(x, at, views, rules, channel) if "void" in standing.values() else {}
    for key, (reg, base) in rows.items():
        kept: list[Restriction | Grant] = [*reg.restrictions.values(), *reg.grants]
        for part in kept:
            comes_to = standing.get((base, part), "")
            if isinstance(part, Restriction) and comes_to and lifted(reg, part, at):
                found.of[key, part] = ("lifted", _lifted_by(part, reg, at))
            elif comes_to:
                by = (cleared.get((base, part)) if comes_to == "cleared" else voided.get(part)) or ()
                found.of[key, part] = (comes_to, tuple(dict.fromkeys(by)))
        if not base:
            found.of |= {(key, birth): came for birth, came in _births(reg, x, at)}
            found.of |= {(key, part): came for part, came in _bounces(reg, x, at)}
    for _, came_by in found.of.values():
        found.used.update(came_by)
    return found


def _lifted_by(r: Restriction, reg: Registers, at: int) -> tuple[str, ...]:
    slot = (r.kind, r.node)
    enough = [lift for lift in reg.lifts.get(slot, ()) if lifted(_but(reg, lifts={slot: (lift,)}), r, at)]
    return (min(enough, key=_lo).id,) if enough else ()


def _lo(lift: Lift) -> int:
    return lift.lo


def _cleared(
    x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str, counting: Sequence[Any]
) -> dict[tuple[bool, Any], list[str]]:
    """Restriction → the grants of which one alone would clear it."""
    found: dict[tuple[bool, Any], list[str]] = {}
    for grant in counting:
        alone = [View(_but(v.registers, grants=[grant] if grant in v.registers.grants else []), v.base) for v in views]
        for each in weigh(x, at, alone, rules, channel):
            if each.comes_to == "cleared":
                found.setdefault((each.base, each.fact), []).append(grant.id)
    return found


def _voided(x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str) -> dict[Any, list[str]]:
    """Grant → the events of which one alone would make it void."""
    found: dict[Any, list[str]] = {}
    for where, slots, ident in _candidates(views):
        alone = []
        for number, view in enumerate(views):
            nothing: dict[str, Any] = {"voids": {}, "births": {}, "restrictions": {}}
            alone.append(View(_but(view.registers, **(nothing | (slots if number == where else {}))), view.base))
        for each in weigh(x, at, alone, rules, channel):
            if each.comes_to == "void":
                found.setdefault(each.fact, []).append(ident)
    return found


def _candidates(views: Sequence[View]) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Each part that may void grants: the number of its view, the registers with it alone, its event."""
    for number, (reg, base) in enumerate(views):
        if not base:
            for slot, void in reg.voids.items():
                yield number, {"voids": {slot: void}}, void.id
            for born, birth in reg.births.items():
                yield number, {"births": {born: birth}}, birth.id
        for place, r in reg.restrictions.items():
            if r.kind in ("erased", "reassigned"):
                yield number, {"restrictions": {place: r}}, r.id


def _births(reg: Registers, x: Node, at: int) -> Iterator[tuple[Birth, Came]]:
    lifts = reg.lifts.get(("minor", EVERYTHING), ())
    for birth, end in ages(reg, at):
        if end == NEVER:
            yield birth, ("lifted", tuple(each.id for each in lifts if birth.hi < each.lo <= at)[-1:])
        elif at >= end:
            yield birth, ("over", ())
        else:
            yield birth, ("stands" if x.purpose in AGED else "not_asked", ())


def _bounces(reg: Registers, x: Node, at: int) -> Iterator[tuple[Delivery, Came]]:
    if reg.bounced is None or x.channel == ANY:
        return
    if undeliverable(reg, at):
        yield reg.bounced, ("stands", ())
    else:
        yield reg.bounced, ("", ()) if reg.delivered is None else ("answered", (reg.delivered.id,))


def _but(reg: Registers, *, grants: list[Grant] | None = None, **slots: Any) -> Registers:
    """The same registers, but for these slots."""
    copy = Registers(reg.tenant, reg.channels)
    for name in Registers.__slots__:
        setattr(copy, name, slots.get(name, getattr(reg, name)))
    if grants is not None:
        copy.keep(grants)
    return copy


def slot_of(reg: Registers, part: object) -> str | None:
    """The event whose part is held where a part belongs; for a grant, its own when it is kept. None where none is."""
    if isinstance(part, Restriction):
        held: Any = reg.restrictions.get(part[:3])
    elif isinstance(part, Grant):
        held = part if part in reg.groups.get(part[4:7], ()) else None
    elif isinstance(part, Lift):
        held = part if part in reg.lifts.get((part.kind, part.node), ()) else None
    elif isinstance(part, Void):
        held = reg.voids.get((part.selector, part.open)) or reg.voids.get((ANY, part.open))
    elif isinstance(part, Birth):
        held = reg.births.get(part[:2])
    elif isinstance(part, Delivery):
        held = reg.bounced if part.bounced else reg.delivered
    else:
        held = None
    return None if held is None else str(held.id)
