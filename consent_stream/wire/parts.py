"""The shared records of `ledger_fact`, `consent_state` and `suppression`: parts of facts, bytes ⇄ domain."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from consent_stream.domain.facts import KINDS, Birth, Delivery, Grant, Lift, Link, Part, Request, Restriction, Void
from consent_stream.domain.nodes import Node, parse_node
from consent_stream.wire.avro import (
    SHARED,
    Remembered,
    WireError,
    array,
    long,
    read_count,
    read_long,
    read_shared,
    read_text,
    read_time,
    remember,
    text,
)

_EPOCH = 719_163  # date(1970, 1, 1).toordinal(): Avro's `date` counts from there
_FLAG = (b"\0", b"\1")
T = TypeVar("T")
Slot = tuple[str, Node, bool]


_NODES: Remembered[Node] = Remembered(lambda n: text(str(n)))
_SLOTS: Remembered[Slot] = Remembered(lambda slot: text(slot[0]) + _NODES[slot[1]] + _FLAG[slot[2]])
ORIGINS: Remembered[tuple[str, str]] = Remembered(lambda origin: text(origin[0]) + text(origin[1]))  # (source, type)


def _read_node(b: bytes, p: int) -> tuple[Node, int]:
    read, p = read_shared(b, p)
    n = parse_node(read)
    if n is None:
        raise WireError("bad_node", "a node that is none")
    return n, p


def restriction(r: Restriction) -> bytes:
    kind, n, open_, hi, ident, source, type_ = r
    return _SLOTS[kind, n, open_] + long(hi) + text(ident) + ORIGINS[source, type_]


def read_restriction(b: bytes, p: int) -> tuple[Restriction, int]:
    slot, p = _read_slot(b, p)
    hi, p = read_time(b, p)
    ident, p = read_text(b, p)
    origin, p = read_origin(b, p)
    return tuple.__new__(Restriction, (*slot, hi, ident, *origin)), p


_known_slots: dict[bytes, Slot] = {}
_known_origins: dict[bytes, tuple[str, str]] = {}


def _read_slot(b: bytes, p: int) -> tuple[Slot, int]:
    """Kind, node and openness. Most are known, and found by their bytes, whose end two lengths tell."""
    first = b[p]
    middle = p + 1 + (first >> 1)
    second = b[middle]
    if not (first | second) & 0x81:
        end = middle + 2 + (second >> 1)
        known = _known_slots.get(b[p:end])
        if known is not None:
            return known, end
    kind, end = read_shared(b, p)
    if kind not in KINDS:  # of a newer version, perhaps: what is not understood must not be taken for nothing
        raise WireError("unknown_kind", "a restriction of an unknown kind")
    n, end = _read_node(b, end)
    slot = (kind, n, b[end] == 1)
    remember(_known_slots, b[p : end + 1], slot)
    return slot, end + 1


def read_origin(b: bytes, p: int) -> tuple[tuple[str, str], int]:
    """Source and type of an event, found as slots are."""
    first = b[p]
    middle = p + 1 + (first >> 1)
    second = b[middle]
    if not (first | second) & 0x81:
        end = middle + 1 + (second >> 1)
        known = _known_origins.get(b[p:end])
        if known is not None:
            return known, end
    source, end = read_shared(b, p)
    type_, end = read_shared(b, end)
    remember(_known_origins, b[p:end], (source, type_))
    return (source, type_), end


@lru_cache(8192)
def _terms(n: Node, level: int, names: tuple[Node, ...], notice_id: str, notice_version: str) -> bytes:
    told = array([_NODES[name] for name in names])
    return _NODES[n] + long(level) + told + text(notice_id) + text(notice_version)


def grant(g: Grant) -> bytes:
    lo, ident, source, valid_until, n, level, names, notice_id, notice_version, batch, credential, type_ = g
    return b"".join(
        (
            long(lo),
            text(ident),
            SHARED[source],
            long(valid_until),
            _terms(n, level, names, notice_id, notice_version),
            SHARED[batch],
            SHARED[credential],
            SHARED[type_],
        )
    )


def read_grant(b: bytes, p: int) -> tuple[Grant, int]:
    lo, p = read_time(b, p)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    valid_until, p = read_time(b, p)
    n, p = _read_node(b, p)
    level, p = read_long(b, p)
    names, p = read_array(b, p, _read_node)
    notice_id, p = read_shared(b, p)
    notice_version, p = read_shared(b, p)
    batch, p = read_shared(b, p)
    credential, p = read_shared(b, p)
    type_, p = read_shared(b, p)
    terms = (n, level, tuple(names), notice_id, notice_version, batch, credential, type_)
    return Grant(lo, ident, source, valid_until, *terms), p


def lift(x: Lift) -> bytes:
    return SHARED[x.kind] + _NODES[x.node] + long(x.lo) + text(x.id) + SHARED[x.source]


def read_lift(b: bytes, p: int) -> tuple[Lift, int]:
    kind, p = read_shared(b, p)
    n, p = _read_node(b, p)
    lo, p = read_time(b, p)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    return Lift(kind, n, lo, ident, source), p


def void(v: Void) -> bytes:
    return text(v.selector) + _FLAG[v.open] + long(v.since) + text(v.id) + SHARED[v.source]


def read_void(b: bytes, p: int) -> tuple[Void, int]:
    selector, p = read_text(b, p)
    open_ = b[p] == 1
    since, p = read_long(b, p + 1)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    return Void(selector, open_, since, ident, source), p


def birth(x: Birth) -> bytes:
    return long(x.date - _EPOCH) + _FLAG[x.open] + long(x.hi) + text(x.id) + SHARED[x.source]


def read_birth(b: bytes, p: int) -> tuple[Birth, int]:
    date, p = read_long(b, p)
    open_ = b[p] == 1
    hi, p = read_time(b, p + 1)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    return Birth(date + _EPOCH, open_, hi, ident, source), p


def delivery(d: Delivery) -> bytes:
    return _FLAG[d.bounced] + long(d.time) + text(d.id) + SHARED[d.source]


def read_delivery(b: bytes, p: int) -> tuple[Delivery, int]:
    bounced = b[p] == 1
    time, p = read_time(b, p + 1)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    return Delivery(bounced, time, ident, source), p


def optional_delivery(d: Delivery | None) -> bytes:
    return b"\0" if d is None else b"\2" + delivery(d)


def read_optional_delivery(b: bytes, p: int) -> tuple[Delivery | None, int]:
    return (None, p + 1) if b[p] == 0 else read_delivery(b, p + 1)


def request(x: Request) -> bytes:
    return SHARED[x.purpose] + SHARED[x.channel] + long(x.lo) + text(x.id) + SHARED[x.source]


def read_request(b: bytes, p: int) -> tuple[Request, int]:
    purpose, p = read_shared(b, p)
    channel, p = read_shared(b, p)
    lo, p = read_time(b, p)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    return Request(purpose, channel, lo, ident, source), p


def link(x: Link) -> bytes:
    return x.key + long(x.channels)


def read_link(b: bytes, p: int) -> tuple[Link, int]:
    channels, end = read_long(b, p + 19)
    return Link(b[p : p + 19], channels), end


def read_array(b: bytes, p: int, read: Callable[[bytes, int], tuple[T, int]]) -> tuple[list[T], int]:
    items: list[T] = []
    if b[p] == 0:
        return items, p + 1
    n, p = read_count(b, p)
    while n:
        for _ in range(n):
            item, p = read(b, p)
            items.append(item)
        n, p = read_count(b, p)
    return items, p


# The union of `ledger_fact.parts`, in the order of the schema.
_UNION: tuple[tuple[type, Callable[..., bytes]], ...] = (
    (Restriction, restriction),
    (Grant, grant),
    (Lift, lift),
    (Void, void),
    (Birth, birth),
    (Delivery, delivery),
    (Request, request),
    (Link, link),
)
WRITERS = {kind: (long(branch), write) for branch, (kind, write) in enumerate(_UNION)}
READERS: tuple[Callable[[bytes, int], tuple[Part, int]], ...] = (
    read_restriction,
    read_grant,
    read_lift,
    read_void,
    read_birth,
    read_delivery,
    read_request,
    read_link,
)
