"""What a key's registers mean for a reader of the lists that has no clock and no rules: status, blocked scopes, label.

A function of (registers, policy, append time of the event that changed them), so that a replay writes the same record.
Where a later instant could change the answer, the more restrictive one stands: a restriction that a grant has cleared
is open on the list only while that grant outlives every other grant that would then permit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from consent_stream.domain.clearing import (
    View,
    ages,
    as_of,
    enough,
    level_to_clear,
    lifted,
    living,
    names,
    undeliverable,
)
from consent_stream.domain.facts import (
    CHANNEL_MASK,
    CONTACT,
    REASON_RANK,
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
from consent_stream.domain.nodes import ANY, Node, node, path
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers

LISTS = ("email", "sms", "sharing")
_ROOTS = {
    "email": node("marketing", "email", ANY),
    "sms": node("marketing", "sms", ANY),
    "sharing": node("sharing", ANY, ANY),
}
_ABOVE = {channel: path(root) for channel, root in _ROOTS.items()}
_SHARED = frozenset(("sharing", "profiling", ANY))
_REQUESTS = {channel: [(root.purpose, wanted) for wanted in {root.channel, ANY}] for channel, root in _ROOTS.items()}


class Standing(NamedTuple):
    status: str  # SUPPRESSED, PARTIAL, CLEAR
    reasons: tuple[str, ...]  # of SUPPRESSED, in the order of RULES §10
    blocked_scopes: tuple[str, ...]  # each denies what lies under it, too
    label: str  # W3C DPV state at purpose:channel:*


BLANK = Standing("CLEAR", (), (), "ConsentUnknown")


def denies_more(before: Standing, after: Standing) -> bool:
    """Whether a list denies after a change what it did not deny before it, or for one reason more."""
    if after.status == "SUPPRESSED":
        return before.status != "SUPPRESSED" or not set(after.reasons) <= set(before.reasons)
    return before.status != "SUPPRESSED" and not set(after.blocked_scopes) <= set(before.blocked_scopes)


@lru_cache
def lists_of(channels: int) -> tuple[str, ...]:
    """The lists on which a key may stand: those of its channel and sharing; a contact stands on all."""
    if channels & CONTACT:
        return LISTS
    return tuple(channel for channel in LISTS if channel == "sharing" or channels & CHANNEL_MASK[channel])


def concerns(part: Part, channel: str, reg: Registers) -> bool:
    """Whether a part belongs into the record of this list."""
    if isinstance(part, Restriction | Grant | Lift):
        return on_list(part.node, channel)
    if isinstance(part, Delivery):
        return channel != "sharing" and (part.bounced or reg.bounced is not None)
    return isinstance(part, Void | Birth)


def lists_concerned(parts: Sequence[Part], reg: Registers) -> tuple[str, ...]:
    """The lists of a key on whose records some of the parts belong."""
    found: tuple[str, ...] = ()
    for part in parts:
        if isinstance(part, Restriction | Grant):
            lists = _lists_with(part.node, reg.channels)
        elif isinstance(part, Link | Request):
            continue
        else:
            lists = tuple(channel for channel in lists_of(reg.channels) if concerns(part, channel, reg))
        if lists != found:
            found = tuple(channel for channel in LISTS if channel in lists or channel in found) if found else lists
    return found


def lists_relabelled(parts: Sequence[Part], channels: int) -> tuple[str, ...]:
    """The lists on which parts may change a key's label and nothing else: requests stand in no record."""
    asked = [part[:2] for part in parts if type(part) is Request]
    return tuple(c for c in lists_of(channels) if any(each in _REQUESTS[c] for each in asked)) if asked else ()


@lru_cache(65536)
def _lists_with(n: Node, channels: int) -> tuple[str, ...]:
    return tuple(channel for channel in lists_of(channels) if on_list(n, channel))


def stands_on(channel: str, reg: Registers) -> bool:
    """Whether the key has a record on this list."""
    single = [part for part in (reg.bounced, reg.delivered) if part is not None]
    kept: Iterable[Part] = chain(
        reg.restrictions.values(), reg.grants, *reg.lifts.values(), reg.voids.values(), reg.births.values(), single
    )
    return any(concerns(part, channel, reg) for part in kept)


def on_list(n: Node, channel: str) -> bool:
    if channel == "sharing":
        return n.channel == ANY and n.purpose in _SHARED
    return n.channel in (channel, ANY)


def standing(reg: Registers, channel: str, rules: Tenant, received: int) -> Standing:
    """The standing of a key on one list; `received` is the append time of the event that last changed it there."""
    root, above = _ROOTS[channel], _ABOVE[channel]
    if not (reg.restrictions or reg.births or reg.bounced or reg.requested):
        if not any(terms[0] in above for terms in reg.groups):
            return BLANK
    at = as_of(reg, received)
    clearing = _Clearing(reg, rules, channel, at)
    reasons: set[str] = set()
    blocked: set[str] = set()
    newest: Restriction | None = None
    for r in reg.restrictions.values():
        n = r.node
        if n in above:
            if not (reg.lifts and lifted(reg, r, at)) and not (reg.groups and clearing.clears(r, root)):
                reasons.add(r.kind)
                if newest is None or r[3:] > newest[3:]:
                    newest = r
        elif n[:2] == root[:2] and not (reg.lifts and lifted(reg, r, at)):
            if not (reg.groups and clearing.clears(r, n)):
                blocked.add(n.scope)
    if reg.births and any(at < end for _, end in ages(reg, at)):
        reasons.add("minor")
    if channel != "sharing" and undeliverable(reg, at):
        reasons.add("undeliverable")
    label = clearing.label(newest)
    if not reasons and not blocked:
        return Standing("CLEAR", (), (), label) if label != BLANK.label else BLANK
    ordered = tuple(sorted(reasons, key=REASON_RANK.__getitem__))
    return Standing("SUPPRESSED" if reasons else "PARTIAL", ordered, tuple(sorted(blocked)), label)


class _Clearing:
    """Grants of a key as the lists see them."""

    def __init__(self, reg: Registers, rules: Tenant, channel: str, at: int) -> None:
        self.reg, self.rules, self.channel, self.at = reg, rules, channel, at

    def alive(self, above: frozenset[Node]) -> list[Grant]:
        living_grants = living(self.at, [View(self.reg)], self.channel, above)
        return [grant for grant in living_grants if enough(grant, self.rules, True)]

    def clears(self, r: Restriction, x: Node) -> bool:
        needed = level_to_clear(r.kind)
        if needed is None or not self._named(r.node, needed, r.hi) or not self.rules.needs_grant(x.purpose):
            return False
        covering = self.alive(path(x))
        last = max((grant.valid_until for grant in covering), default=0)
        return any(
            grant.valid_until >= last
            and grant.lo > r.hi
            and grant.level >= needed
            and enough(grant, self.rules, False)
            and names(grant, r)
            for grant in covering
        )

    def _named(self, n: Node, needed: int, hi: int) -> bool:
        """Whether any grant here could clear it: most cannot, and their fellows need not be looked at."""
        for (where, level, told), group in self.reg.groups.items():
            if level >= needed and (where == n or n in told):
                for grant in group:
                    if grant[0] > hi:
                        return True
        return False

    def label(self, newest: Restriction | None) -> str:
        above = _ABOVE[self.channel]
        granted = [grant for terms, group in self.reg.groups.items() if terms[0] in above for grant in group]
        alive = self.alive(above) if granted else []
        if granted and max(granted) not in living(self.at, [View(self.reg)], self.channel, above):
            return "ConsentInvalidated"
        if newest is not None:
            return "ConsentRefused" if newest.type == "consent.refused" else "ConsentWithdrawn"
        current = [grant for grant in alive if self.at < grant.valid_until]
        if current:
            return "RenewedConsentGiven" if max(current).type == "consent.renewed" else "ConsentGiven"
        if alive:
            return "ConsentExpired"
        if self.reg.requested and any(key in self.reg.requested for key in _REQUESTS[self.channel]):
            return "ConsentRequested"
        return "ConsentUnknown"
