"""The shared records of `ledger_fact`, `consent_state` and `suppression`: parts of facts, bytes ⇄ domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from consent_stream.domain.facts import (
    CONTACT,
    EMAIL,
    KINDS,
    SMS,
    Birth,
    Delivery,
    Grant,
    Lift,
    Link,
    Part,
    Request,
    Restriction,
    Void,
)
from consent_stream.domain.nodes import Node, parse_node
from consent_stream.domain.registers import Registers
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
_LAST_DAY = 3_652_059  # date.max.toordinal()
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


def _encode_restriction(r: Restriction) -> bytes:
    kind, n, open_, hi, ident, source, type_ = r
    return _SLOTS[kind, n, open_] + long(hi) + text(ident) + ORIGINS[source, type_]


# A part is written at least three times (ledger, row, list), and with its key as often as that changes.
_RESTRICTIONS: Remembered[Restriction] = Remembered(_encode_restriction)


def restriction(r: Restriction) -> bytes:
    return _RESTRICTIONS[r]


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
    length = b[p]
    if not length & 0x81:
        middle = p + 1 + (length >> 1)
        end = middle + 2 + (b[middle] >> 1)
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
    length = b[p]
    if not length & 0x81:
        middle = p + 1 + (length >> 1)
        end = middle + 1 + (b[middle] >> 1)
        known = _known_origins.get(b[p:end])
        if known is not None:
            return known, end
    source, end = read_shared(b, p)
    type_, end = read_shared(b, end)
    remember(_known_origins, b[p:end], (source, type_))
    return (source, type_), end


_Terms = tuple[Node, int, tuple[Node, ...], str, str, str, str, str]  # of a grant, from its node on


def _encode_terms(terms: _Terms) -> bytes:
    n, level, names, notice_id, notice_version, batch, credential, type_ = terms
    told = array([_NODES[name] for name in names])
    notice = text(notice_id) + text(notice_version)
    return _NODES[n] + long(level) + told + notice + text(batch) + text(credential) + text(type_)


_TERMS: Remembered[_Terms] = Remembered(_encode_terms)


def _encode_grant(g: Grant) -> bytes:
    return long(g[0]) + text(g[1]) + SHARED[g[2]] + long(g[3]) + _TERMS[g[4:]]


_GRANTS: Remembered[Grant] = Remembered(_encode_grant)


def grant(g: Grant) -> bytes:
    return _GRANTS[g]


def read_grant(b: bytes, p: int) -> tuple[Grant, int]:
    lo, p = read_time(b, p)
    ident, p = read_text(b, p)
    source, p = read_shared(b, p)
    valid_until, p = read_time(b, p)
    terms, p = _read_terms(b, p)
    return tuple.__new__(Grant, (lo, ident, source, valid_until, *terms)), p


_known_terms: dict[bytes, _Terms] = {}


def _read_terms(b: bytes, p: int) -> tuple[_Terms, int]:
    """What many grants have in common, found by its bytes as slots are."""
    end = _end_of_terms(b, p)
    known = _known_terms.get(b[p:end])
    if known is not None:
        return known, end
    n, end = _read_node(b, p)
    level, end = read_long(b, end)
    names, end = read_array(b, end, _read_node)
    notice_id, end = read_shared(b, end)
    notice_version, end = read_shared(b, end)
    batch, end = read_shared(b, end)
    credential, end = read_shared(b, end)
    type_, end = read_shared(b, end)
    terms = (n, level, tuple(names), notice_id, notice_version, batch, credential, type_)
    remember(_known_terms, b[p:end], terms)
    return terms, end


def _end_of_terms(b: bytes, p: int) -> int:
    """Where terms end whose every length, level and count is one byte; anything, maybe behind the end, for others.

    What is known under the bytes up to there was read from the same bytes, so a wrong end finds nothing.
    """
    q = p + 2 + (b[p] >> 1)  # behind node and level
    size = len(b)
    if q < size and b[q]:
        for _ in range(b[q] >> 1):
            q += 1
            if q >= size:
                return q
            q += b[q] >> 1
        q += 1
    q += 1
    for _ in range(5):
        if q >= size:
            return q
        q += 1 + (b[q] >> 1)
    return q


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
    if not 0 < date + _EPOCH <= _LAST_DAY:
        raise WireError("bad_avro", "a date before the year 1 or after 9999")
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
    branch = b[p]
    if branch == 0:
        return None, p + 1
    if branch != 2:
        raise WireError("bad_avro", "a branch that the union has not")
    return read_delivery(b, p + 1)


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
    channels, end = read_channels(b, p + 19)
    return Link(b[p : p + 19], channels), end


def read_channels(b: bytes, p: int) -> tuple[int, int]:
    """A mask of what a key stands for."""
    n = b[p]
    if n & 1 or n >> 1 > EMAIL | SMS | CONTACT:
        raise WireError("bad_avro", "a mask with unknown channels")
    return n >> 1, p + 1


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


def read_rare(reg: Registers, b: bytes, p: int) -> int:
    """Fill in what few keys have: lifts, voids, births, deliveries, in the order of state and list records alike."""
    lifts, p = read_array(b, p, read_lift)
    voids, p = read_array(b, p, read_void)
    births, p = read_array(b, p, read_birth)
    reg.bounced, p = read_optional_delivery(b, p)
    reg.delivered, p = read_optional_delivery(b, p)
    for x in lifts:
        reg.lifts[x[:2]] = (*reg.lifts.get(x[:2], ()), x)
    reg.voids = {v[:2]: v for v in voids}
    reg.births = {x[:2]: x for x in births}
    return p


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
_READERS: tuple[Callable[[bytes, int], tuple[Part, int]], ...] = (
    read_restriction,
    read_grant,
    read_lift,
    read_void,
    read_birth,
    read_delivery,
    read_request,
    read_link,
)
READERS = {branch << 1: read for branch, read in enumerate(_READERS)}  # by the byte on the wire
