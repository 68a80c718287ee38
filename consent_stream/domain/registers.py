"""The state of one subject key: a join-semilattice. `apply` is commutative, associative and idempotent.

Every register keeps the greatest of what it saw, by a total order over whole parts; every bound (RULES §5, §6) is a
function of the set of parts seen, never of their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import nlargest
from typing import Any

from consent_stream.domain.facts import (
    Birth,
    Delivery,
    Fact,
    Grant,
    Lift,
    Link,
    Part,
    Request,
    Restriction,
    Void,
    widened,
)
from consent_stream.domain.nodes import ANY, Node

BEST_GRANTS = 8  # per (node, level, names), by lo and again by valid_until
GRANTS_PER_KEY = 256  # of each of the two lists
NODES_PER_FAMILY = 256  # of one (kind, open, purpose, channel), `*` included
VOIDS_PER_KEY = 256
BIRTHS_PER_KEY = 16
LIFTS_PER_SLOT = 8
MINOR_LIFTS = 64
LINKS_PER_KEY = 10_000

Slot = tuple[str, Node, bool]


class Registers:
    """All registers of one subject key. `tenant` and `channels` say whose it is and what it stands for."""

    __slots__ = (
        "births",
        "bounced",
        "channels",
        "delivered",
        "grants",
        "lifts",
        "links",
        "requested",
        "restrictions",
        "tenant",
        "version",
        "voids",
    )  # fmt: skip

    def __init__(self, tenant: str = "", channels: int = 0) -> None:
        self.tenant = tenant
        self.channels = channels
        self.version = 0  # 1 + the ledger offset of the fact that last changed the key
        self.restrictions: dict[Slot, Restriction] = {}
        self.grants: dict[Grant, None] = {}
        self.lifts: dict[tuple[str, Node], tuple[Lift, ...]] = {}
        self.voids: dict[tuple[str, bool], Void] = {}
        self.births: dict[tuple[int, bool], Birth] = {}
        self.bounced: Delivery | None = None
        self.delivered: Delivery | None = None
        self.requested: dict[tuple[str, str], Request] = {}
        self.links: dict[bytes, int] = {}

    def apply(self, fact: Fact) -> list[Part]:
        """Join a fact in; the parts that changed something, none when it taught nothing new."""
        if not self.tenant:
            self.tenant = fact.tenant
        changed: list[Part] = []
        if fact.channels | self.channels != self.channels:
            self.channels |= fact.channels
        for part in fact.parts:
            if _JOIN[type(part)](self, part):
                changed.append(part)
        return changed

    @property
    def all_void(self) -> bool:
        return (ANY, False) in self.voids or (ANY, True) in self.voids


def _restriction(reg: Registers, new: Restriction) -> bool:
    slots = reg.restrictions
    slot = new[:3]
    old = slots.get(slot)
    if old is not None:
        if new[3:] <= old[3:]:
            return False
        slots[slot] = new
        return True
    slots[slot] = new
    if len(slots) <= NODES_PER_FAMILY:
        return True
    return _narrow_family(reg, new)


def _narrow_family(reg: Registers, new: Restriction) -> bool:
    """Beyond 256 nodes of a family the greatest scope is widened to `*`: which one depends on the set alone."""
    kind, n, open_ = new[:3]
    family = [
        slot
        for slot in reg.restrictions
        if slot[0] == kind and slot[2] == open_ and slot[1].purpose == n.purpose and slot[1].channel == n.channel
    ]
    changed = True
    while len(family) > NODES_PER_FAMILY:
        last = max((slot for slot in family if slot[1].scope != ANY), key=lambda slot: slot[1].scope)
        family.remove(last)
        wide = widened(reg.restrictions.pop(last))
        known = reg.restrictions.get(wide[:3])
        if known is None:
            family.append(wide[:3])
        if known is None or wide[3:] > known[3:]:
            reg.restrictions[wide[:3]] = wide
        elif last == new[:3]:
            changed = False
    return changed


def _grant(reg: Registers, new: Grant) -> bool:
    grants = reg.grants
    if new in grants:
        return False
    group = [g for g in grants if g.node == new.node and g.level == new.level and g.names == new.names]
    grants[new] = None
    if len(group) >= BEST_GRANTS:
        group.append(new)
        kept = {*_latest(group, BEST_GRANTS), *_longest(group, BEST_GRANTS)}
        for grant in group:
            if grant not in kept:
                del grants[grant]
    if len(grants) > GRANTS_PER_KEY:
        _narrow_grants(reg)
    return new in reg.grants


def _latest(grants: Iterable[Grant], n: int) -> list[Grant]:
    return nlargest(n, grants)


def _longest(grants: Iterable[Grant], n: int) -> list[Grant]:
    return nlargest(n, grants, key=lambda g: (g.valid_until, g.id, g.source, g))


def _narrow_grants(reg: Registers) -> None:
    groups: dict[tuple[Node, int, tuple[Node, ...]], list[Grant]] = {}
    for grant in reg.grants:
        groups.setdefault((grant.node, grant.level, grant.names), []).append(grant)
    latest = [g for group in groups.values() for g in _latest(group, BEST_GRANTS)]
    longest = [g for group in groups.values() for g in _longest(group, BEST_GRANTS)]
    kept = {*_latest(latest, GRANTS_PER_KEY), *_longest(longest, GRANTS_PER_KEY)}
    reg.grants = {g: None for g in reg.grants if g in kept}


def _lift(reg: Registers, new: Lift) -> bool:
    slot = (new.kind, new.node)
    known = reg.lifts.get(slot, ())
    if new in known:
        return False
    kept = tuple(sorted((*known, new), key=lambda lift: lift[2:], reverse=True))
    kept = kept[: MINOR_LIFTS if new.kind == "minor" else LIFTS_PER_SLOT]
    reg.lifts[slot] = kept
    return new in kept


def _void(reg: Registers, new: Void) -> bool:
    if reg.all_void:
        new = Void(ANY, new.open, 0, new.id, new.source)
    slot = (new.selector, new.open)
    old = reg.voids.get(slot)
    if old is not None and _void_order(new) <= _void_order(old):
        return False
    reg.voids[slot] = new
    if len({selector for selector, _ in reg.voids}) > VOIDS_PER_KEY or (new.selector == ANY and len(reg.voids) > 1):
        voids, reg.voids = reg.voids, {}
        for void in voids.values():
            every = Void(ANY, void.open, 0, void.id, void.source)
            known = reg.voids.get((ANY, void.open))
            if known is None or _void_order(every) > _void_order(known):
                reg.voids[(ANY, void.open)] = every
    return True


def _void_order(void: Void) -> tuple[int, str, str]:
    return -void.since, void.id, void.source  # the earlier a credential was lost, the more it voids


def _birth(reg: Registers, new: Birth) -> bool:
    slot = new[:2]
    old = reg.births.get(slot)
    if old is not None and new[2:] <= old[2:]:
        return False
    reg.births[slot] = new
    dates = sorted(date for date, open_ in reg.births if open_ == new.open)
    if len(dates) <= BIRTHS_PER_KEY:
        return True
    evicted = reg.births.pop((dates[0], new.open))
    least = reg.births[(dates[1], new.open)]
    if evicted[2:] > least[2:]:  # the hi outlives its date, so that a lift must still come after it
        reg.births[(dates[1], new.open)] = evicted._replace(date=dates[1])
        return True
    return evicted != new


def _delivery(reg: Registers, new: Delivery) -> bool:
    old = reg.bounced if new.bounced else reg.delivered
    if old is not None and new <= old:
        return False
    if new.bounced:
        reg.bounced = new
    else:
        reg.delivered = new
    return True


def _request(reg: Registers, new: Request) -> bool:
    old = reg.requested.get(new[:2])
    if old is not None and new <= old:
        return False
    reg.requested[new[:2]] = new
    return True


def _link(reg: Registers, new: Link) -> bool:
    known = reg.links.get(new.key, 0)
    if known | new.channels == known:
        return False
    if not known and len(reg.links) >= LINKS_PER_KEY:
        last = max(reg.links)
        if new.key > last:
            return False
        del reg.links[last]
    reg.links[new.key] = known | new.channels
    return True


_JOIN: dict[type, Callable[[Registers, Any], bool]] = {
    Restriction: _restriction,
    Grant: _grant,
    Lift: _lift,
    Void: _void,
    Birth: _birth,
    Delivery: _delivery,
    Request: _request,
    Link: _link,
}
