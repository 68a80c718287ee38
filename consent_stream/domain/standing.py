"""What a key's registers mean for a reader of the lists that has no clock and no rules: status, blocked scopes, label.

A function of (registers, policy, append time of the event that changed them), so that a replay writes the same record.
Where a later instant could change the answer, the more restrictive one stands: a restriction that a grant has cleared
is open on the list only while that grant outlives every other grant that would then permit.
"""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.clearing import View, ages, enough, level_to_clear, lifted, living, names, undeliverable
from consent_stream.domain.facts import (
    CHANNEL_MASK,
    CONTACT,
    REASON_RANK,
    Birth,
    Delivery,
    Grant,
    Lift,
    Part,
    Restriction,
    Void,
)
from consent_stream.domain.nodes import ANY, Node, covers, node, path
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


def on_list(n: Node, channel: str) -> bool:
    if channel == "sharing":
        return n.channel == ANY and n.purpose in _SHARED
    return n.channel in (channel, ANY)


def standing(reg: Registers, channel: str, rules: Tenant, at: int) -> Standing:
    """The standing of a key on one list; `at` is the append time of the event that last changed it there."""
    root, above = _ROOTS[channel], _ABOVE[channel]
    clearing = _Clearing(reg, rules, channel, at)
    reasons: set[str] = set()
    blocked: set[str] = set()
    newest: Restriction | None = None
    for r in reg.restrictions.values():
        n = r.node
        if n in above:
            if not lifted(reg, r, at) and not clearing.clears(r, root):
                reasons.add(r.kind)
                if newest is None or r[3:] > newest[3:]:
                    newest = r
        elif (n.purpose, n.channel) == root[:2] and not lifted(reg, r, at) and not clearing.clears(r, n):
            blocked.add(n.scope)
    if reg.births and any(at < end for _, end in ages(reg, at)):
        reasons.add("minor")
    if channel != "sharing" and undeliverable(reg, at):
        reasons.add("undeliverable")
    label = clearing.label(root, newest)
    if not reasons and not blocked:
        return Standing("CLEAR", (), (), label) if label != BLANK.label else BLANK
    ordered = tuple(sorted(reasons, key=REASON_RANK.__getitem__))
    return Standing("SUPPRESSED" if reasons else "PARTIAL", ordered, tuple(sorted(blocked)), label)


class _Clearing:
    """Grants of a key as the lists see them; looked at only when there are any."""

    def __init__(self, reg: Registers, rules: Tenant, channel: str, at: int) -> None:
        self.reg, self.rules, self.channel, self.at = reg, rules, channel, at
        self._alive: list[Grant] | None = None

    @property
    def alive(self) -> list[Grant]:
        if self._alive is None:
            self._alive = list(living(self.at, [View(self.reg)], self.channel)) if self.reg.grants else []
        return self._alive

    def clears(self, r: Restriction, x: Node) -> bool:
        needed = level_to_clear(r.kind)
        if needed is None or not self.reg.grants or not self.rules.needs_grant(x.purpose):
            return False
        covering = [grant for grant in self.alive if covers(grant.node, x) and enough(grant, self.rules, True)]
        last = max((grant.valid_until for grant in covering), default=0)
        return any(
            grant.valid_until >= last
            and grant.lo > r.hi
            and grant.level >= needed
            and enough(grant, self.rules, False)
            and names(grant, r)
            for grant in covering
        )

    def label(self, root: Node, newest: Restriction | None) -> str:
        granted = [grant for grant in self.reg.grants if covers(grant.node, root)]
        if granted and max(granted) not in self.alive:
            return "ConsentInvalidated"
        if newest is not None:
            return "ConsentRefused" if newest.type == "consent.refused" else "ConsentWithdrawn"
        given = [grant for grant in granted if grant in self.alive and enough(grant, self.rules, True)]
        current = [grant for grant in given if self.at < grant.valid_until]
        if current:
            return "RenewedConsentGiven" if max(current).type == "consent.renewed" else "ConsentGiven"
        if given:
            return "ConsentExpired"
        if any(key in self.reg.requested for key in _REQUESTS[self.channel]):
            return "ConsentRequested"
        return "ConsentUnknown"
