"""Parts of facts and registers in words, as on-call reads them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consent_stream.domain.facts import (
    CHANNEL_MASK,
    CONTACT,
    KINDS,
    Birth,
    Delivery,
    Grant,
    Lift,
    Part,
    Request,
    Restriction,
    Void,
)
from consent_stream.domain.nodes import ANY
from consent_stream.domain.registers import Registers

MASKS = {**CHANNEL_MASK, "contact": CONTACT}
SORTS = frozenset((*KINDS, "grant", "lift", "void", "birth", "bounced", "delivered", "request", "link"))


def stands_for(mask: int) -> tuple[str, ...]:
    """What a subject key stands for, in words."""
    return tuple(name for name, bit in MASKS.items() if mask & bit)


def sort_of(part: Part) -> str:
    """A restriction's kind, else what it is: `grant`, `lift`, `void`, `birth`, `bounced`, `delivered`, …"""
    if isinstance(part, Restriction):
        return part.kind
    if isinstance(part, Delivery):
        return "bounced" if part.bounced else "delivered"
    return type(part).__name__.lower()


def words(part: Part) -> str:
    """A part on one line. The date of a birth stays out: it tells who somebody is."""
    if isinstance(part, Restriction):
        return f"{part.kind} {part.node}"
    if isinstance(part, Grant):
        return f"grant E{part.level} {part.node}"
    if isinstance(part, Lift):
        return f"lift {part.kind} {part.node}"
    if isinstance(part, Void):
        return f"void {part.selector}"
    if isinstance(part, Request):
        return f"request {part.purpose}:{part.channel}"
    return sort_of(part)


def purposes(parts: Iterable[Part]) -> tuple[str, ...]:
    """The purposes that parts concern, each once."""
    found = (_purpose(part) for part in parts)
    return tuple(dict.fromkeys(purpose for purpose in found if purpose))


def _purpose(part: Part) -> str:
    """The purpose that a part concerns; `*` for one that concerns all, empty for one that says nothing of purposes."""
    if isinstance(part, Restriction | Grant | Lift):
        return part.node.purpose
    if isinstance(part, Request):
        return part.purpose
    return ANY if isinstance(part, Void | Birth) else "marketing" if isinstance(part, Delivery) else ""


def parts_of(reg: Registers) -> Iterator[Part]:
    """All that registers hold but links, which are keys of others."""
    yield from sorted(reg.restrictions.values())
    yield from sorted(reg.grants)
    yield from (lift for slot in sorted(reg.lifts) for lift in reg.lifts[slot])
    yield from (reg.voids[slot] for slot in sorted(reg.voids))
    yield from (reg.births[slot] for slot in sorted(reg.births))
    yield from filter(None, (reg.bounced, reg.delivered))
    yield from (reg.requested[slot] for slot in sorted(reg.requested))
