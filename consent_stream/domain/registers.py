"""The state of one subject key: a join-semilattice. `apply` is commutative, associative and idempotent.

Every register keeps the greatest of what it saw, by a total order over whole parts; every bound (RULES §5, §6) is a
function of the set of parts seen, never of their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
VOIDS_PER_KEY = 256  # also of those that travel on, so that they travel as one in every order
BIRTHS_PER_KEY = 16
LIFTS_PER_SLOT = 8
MINOR_LIFTS = 64
LIFTS_PER_KEY = 512  # the latest; to forget a lift can only deny
LINKS_PER_KEY = 10_000

Slot = tuple[str, Node, bool]
Terms = tuple[Node, int, tuple[Node, ...]]  # what like grants have in common: node, level, names


class Registers:
    """All registers of one subject key. `tenant` and `channels` say whose it is and what it stands for."""

    __slots__ = (
        "births",
        "bounced",
        "channels",
        "delivered",
        "groups",
        "lifts",
        "links",
        "narrowed",
        "requested",
        "restrictions",
        "tenant",
        "voids",
    )  # fmt: skip

    def __init__(self, tenant: str = "", channels: int = 0) -> None:
        self.tenant = tenant
        self.channels = channels
        self.restrictions: dict[Slot, Restriction] = {}
        self.groups: dict[Terms, list[Grant]] = {}
        self.lifts: dict[tuple[str, Node], tuple[Lift, ...]] = {}
        self.voids: dict[tuple[str, bool], Void] = {}
        self.births: dict[tuple[int, bool], Birth] = {}
        self.bounced: Delivery | None = None
        self.delivered: Delivery | None = None
        self.requested: dict[tuple[str, str], Request] = {}
        self.links: dict[bytes, int] = {}
        self.narrowed = False  # a bound of the whole key displaced a part, perhaps of another list

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
    def crowded(self) -> bool:
        """Whether a part may displace one of another list: then all lists of the key must be looked at."""
        return len(self.groups) * 2 * BEST_GRANTS > GRANTS_PER_KEY or len(self.lifts) > LIFTS_PER_KEY // MINOR_LIFTS

    @property
    def grants(self) -> list[Grant]:
        """The grants kept, in no order."""
        return [grant for group in self.groups.values() for grant in group]

    def keep(self, grants: Iterable[Grant]) -> None:
        """Hold exactly these grants."""
        self.groups = {}
        for grant in grants:
            self.groups.setdefault(grant[4:7], []).append(grant)

    @property
    def all_void(self) -> bool:
        """Whether every grant here is void: one void says so, or there are too many to tell them apart."""
        voids = self.voids
        if not voids:
            return False
        if (ANY, False) in voids or (ANY, True) in voids:
            return True
        return len(voids) > VOIDS_PER_KEY and len({selector for selector, _ in voids}) > VOIDS_PER_KEY


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
    terms = new[4:7]
    group = reg.groups.get(terms)
    if group is None:
        reg.groups[terms] = [new]
    elif new in group:
        return False
    else:
        group.append(new)
        if len(group) > BEST_GRANTS:
            kept = {*_latest(group, BEST_GRANTS), *_longest(group, BEST_GRANTS)}
            group[:] = [grant for grant in group if grant in kept]
    if len(reg.groups) * 2 * BEST_GRANTS > GRANTS_PER_KEY:
        _narrow_grants(reg)
    return new in reg.groups.get(terms, ())


def _latest(grants: Iterable[Grant], n: int) -> list[Grant]:
    return sorted(grants)[-n:]


def _longest(grants: Iterable[Grant], n: int) -> list[Grant]:
    return sorted(grants, key=lambda grant: (grant.valid_until, grant.id, grant.source, grant))[-n:]


def _narrow_grants(reg: Registers) -> None:
    if sum(map(len, reg.groups.values())) <= GRANTS_PER_KEY:
        return
    latest = [grant for group in reg.groups.values() for grant in _latest(group, BEST_GRANTS)]
    longest = [grant for group in reg.groups.values() for grant in _longest(group, BEST_GRANTS)]
    kept = {*_latest(latest, GRANTS_PER_KEY), *_longest(longest, GRANTS_PER_KEY)}
    reg.narrowed = True
    reg.keep(grant for grant in reg.grants if grant in kept)


def _lift(reg: Registers, new: Lift) -> bool:
    slot = (new.kind, new.node)
    known = reg.lifts.get(slot, ())
    if new in known:
        return False
    kept = tuple(sorted((*known, new), key=lambda lift: lift[2:], reverse=True))
    kept = kept[: MINOR_LIFTS if new.kind == "minor" else LIFTS_PER_SLOT]
    reg.lifts[slot] = kept
    if len(reg.lifts) > LIFTS_PER_KEY // MINOR_LIFTS:
        _narrow_lifts(reg)
    return new in reg.lifts.get(slot, ())


def _narrow_lifts(reg: Registers) -> None:
    lifts = [lift for slot in reg.lifts.values() for lift in slot]
    if len(lifts) > LIFTS_PER_KEY:
        last = min(lifts, key=lambda lift: (lift.lo, lift))
        reg.narrowed = True
        slot = (last.kind, last.node)
        rest = tuple(lift for lift in reg.lifts[slot] if lift != last)
        if rest:
            reg.lifts[slot] = rest
        else:
            del reg.lifts[slot]


def _void(reg: Registers, new: Void) -> bool:
    if (ANY, new.open) in reg.voids:
        new = _void_of_all(new)
    slot = (new.selector, new.open)
    old = reg.voids.get(slot)
    if old is not None and _void_order(new) <= _void_order(old):
        return False
    reg.voids[slot] = new
    if new.selector == ANY or len(reg.voids) > VOIDS_PER_KEY:
        _narrow_voids(reg, new)
    return True


def _narrow_voids(reg: Registers, new: Void) -> None:
    """Beyond 256 of them, those that travel on and those that do not each become one void of every grant."""
    family = [void for void in reg.voids.values() if void.open == new.open]
    if new.selector == ANY or len(family) > VOIDS_PER_KEY:
        for void in family:
            del reg.voids[void.selector, void.open]
        reg.voids[ANY, new.open] = max((_void_of_all(void) for void in family), key=_void_order)


def _void_of_all(void: Void) -> Void:
    return Void(ANY, void.open, 0, void.id, void.source)


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
