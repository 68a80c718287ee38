"""May this be sent? One pure function over the registers of the keys a question concerns (RULES §10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from consent_stream.domain.facts import CONTACT, KINDS, REASON_RANK, REVIEWED, Birth, Grant, Lift, Restriction
from consent_stream.domain.nodes import ANY, CHANNELLESS, EVERYTHING, Node, covers, node, path
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import MINUTE, adult_from

AGED = frozenset(("marketing", "sharing", "profiling"))
_NEVER = -(1 << 62)


class Decision(NamedTuple):
    """The outcome: allowed when there is no reason against. `facts` are the event ids behind it."""

    reasons: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def allow(self) -> bool:
        return not self.reasons


class View(NamedTuple):
    """Registers as a question sees them: `base` lends its four kinds, nothing else."""

    registers: Registers
    base: bool = False


def question(purpose: str, channel: str, scope: str) -> Node:
    """The node a question is about: sharing and profiling have no channel."""
    return node(purpose, ANY if purpose in CHANNELLESS else channel, scope)


def decide(x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str) -> Decision:
    """Decide node `x` at instant `at` on the join of `views`; `channel` is that of the address asked about.

    Laws: adding a restriction, void, age or bounce never turns deny into allow; the order of views does not matter.
    """
    if x.purpose == "legal_required":
        return _decide_required(x, at, views)
    where = path(x)
    standing = [r for view in views for r in _concerning(view, where)]
    grants = _Grants(x, at, views, rules, channel, unrestricted=not standing)
    reasons: dict[str, list[str]] = {}
    for view in views:
        for restriction in _concerning(view, where):
            if not _lifted(view.registers, restriction, at) and not grants.clears(restriction):
                reasons.setdefault(restriction.kind, []).append(restriction.id)
    if x.purpose in AGED:
        minor = [birth.id for view in views if not view.base for birth, end in _ages(view.registers, at) if at < end]
        if minor:
            reasons["minor"] = minor
    if x.channel != ANY:
        _undeliverable(views, at, reasons)
    if rules.needs_grant(x.purpose) and not grants.counting:
        reasons[grants.why_not()] = []
    behind = [ident for ids in reasons.values() for ident in ids] or [grant.id for grant in grants.counting]
    return Decision(tuple(sorted(reasons, key=REASON_RANK.__getitem__)), tuple(dict.fromkeys(behind)))


def _decide_required(x: Node, at: int, views: Iterable[View]) -> Decision:
    reasons: dict[str, list[str]] = {}
    where = path(x)
    for view in views:
        for restriction in _concerning(view, where):
            if restriction.kind == "deceased" and not _lifted(view.registers, restriction, at):
                reasons.setdefault("deceased", []).append(restriction.id)
    _undeliverable(views, at, reasons)
    return Decision(tuple(reasons), tuple(ident for ids in reasons.values() for ident in ids))


def _concerning(view: View, where: frozenset[Node]) -> Iterator[Restriction]:
    for restriction in view.registers.restrictions.values():
        if restriction.node in where and (not view.base or KINDS[restriction.kind].base_form):
            yield restriction


def _lifted(reg: Registers, restriction: Restriction, at: int) -> bool:
    kind = restriction.kind
    if KINDS[kind].cleared_by != "lift" and kind not in REVIEWED:
        return False
    return _earliest(reg.lifts.get((kind, restriction.node), ()), restriction.hi, at) is not None


def _earliest(lifts: Iterable[Lift], hi: int, at: int) -> int | None:
    """The lo of the first lift that is provably later than `hi` and counts at `at`."""
    return min((lift.lo for lift in lifts if hi < lift.lo <= at), default=None)


def _ages(reg: Registers, at: int) -> Iterator[tuple[Birth, int]]:
    """Each asserted birth and the instant until which its subject is a child; a corrected one ends before it began."""
    lifts = reg.lifts.get(("minor", EVERYTHING), ())
    for birth in reg.births.values():
        corrected = _earliest(lifts, birth.hi, at)
        yield birth, adult_from(birth.date) if corrected is None else _NEVER


def _void_through_age(reg: Registers, at: int) -> int:
    """Grants with lo before this instant are void: their subject was a child, or was taken for one."""
    lifts = reg.lifts.get(("minor", EVERYTHING), ())
    bound = _NEVER
    for birth in reg.births.values():
        end = adult_from(birth.date)
        corrected = _earliest(lifts, birth.hi, at)
        bound = max(bound, end if corrected is None else min(end, corrected + 1))
    return bound


def _undeliverable(views: Iterable[View], at: int, reasons: dict[str, list[str]]) -> None:
    for view in views:
        bounce, delivery = view.registers.bounced, view.registers.delivered
        if view.base or view.registers.channels & CONTACT or bounce is None:
            continue
        if delivery is None or delivery.time > at or bounce.time >= delivery.time:
            reasons.setdefault("undeliverable", []).append(bounce.id)


class _Grants:
    """The grants of a decision: which are void, which count, which would but for their level or their end."""

    def __init__(
        self, x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str, unrestricted: bool
    ) -> None:
        self.x, self.at, self.rules = x, at, rules
        self.migrated = unrestricted and rules.allow_migrated and rules.min_evidence <= 2 and x.purpose != "sharing"
        self.living = [grant for grant in _living(at, views, channel) if covers(grant.node, x)]
        self.counting = [grant for grant in self.living if self.enough(grant) and grant.lo <= at < grant.valid_until]

    def enough(self, grant: Grant) -> bool:
        """Whether its level lets it count."""
        if grant.level >= 2:
            return grant.level >= self.rules.min_evidence
        return grant.level == 1 and self.migrated

    def clears(self, restriction: Restriction) -> bool:
        needed = 3 if restriction.kind == "sms_stop_review" else KINDS[restriction.kind].cleared_by
        if isinstance(needed, str):
            return False
        return any(
            grant.lo > restriction.hi
            and grant.level >= needed
            and (grant.node == restriction.node or restriction.node in grant.names)
            for grant in self.counting
        )

    def why_not(self) -> str:
        covering = [grant for grant in self.living if grant.lo <= self.at]
        if any(self.enough(grant) and self.at >= grant.valid_until for grant in covering):
            return "expired"
        if any(self.at < grant.valid_until and not self.enough(grant) for grant in covering):
            return "evidence_too_low"
        return "no_consent"


def _living(at: int, views: Sequence[View], channel: str) -> Iterator[Grant]:
    """Grants that are not void in the joined registers, whatever node they are about (RULES §5)."""
    own = [view.registers for view in views if not view.base]
    if not any(reg.grants for reg in own) or any(reg.all_void for reg in own):
        return
    voids: dict[str, int] = {}
    for reg in own:
        for void in reg.voids.values():
            voids[void.selector] = min(void.since, voids.get(void.selector, void.since))
    bound = max((_void_through_age(reg, at) for reg in own), default=_NEVER)
    bound = max(bound, 1 + _greatest_hi("erased", (view.registers for view in views)))
    texted = max(bound, 1 + _greatest_hi("reassigned", own))
    for reg in own:
        on_phone = channel == "sms" and not reg.channels & CONTACT
        for grant in reg.grants:
            limit = texted if on_phone or grant.node.channel == "sms" else bound
            if grant.lo >= limit and not (voids and _selected(grant, voids)):
                yield grant


def _greatest_hi(kind: str, registers: Iterable[Registers]) -> int:
    return max(
        (r.hi for reg in registers if reg.restrictions for r in reg.restrictions.values() if r.kind == kind),
        default=_NEVER,
    )


def _selected(grant: Grant, voids: dict[str, int]) -> bool:
    if f"grant:{grant.source}#{grant.id}" in voids:
        return True
    if grant.batch and f"batch:{grant.batch}" in voids:
        return True
    if f"notice:{grant.notice_id}@{grant.notice_version}" in voids:
        return True
    since = voids.get(f"credential:{grant.credential}") if grant.credential else None
    return since is not None and grant.lo >= since - 5 * MINUTE
