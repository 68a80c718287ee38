"""May this be sent? One pure function over the registers of the keys a question concerns (RULES §10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from consent_stream.domain.clearing import View, ages, enough, level_to_clear, lifted, living, names, undeliverable
from consent_stream.domain.facts import KINDS, REASON_RANK, Grant, Restriction
from consent_stream.domain.nodes import ANY, CHANNELLESS, Node, node, path
from consent_stream.domain.policy import Tenant

AGED = frozenset(("marketing", "sharing", "profiling"))


class Decision(NamedTuple):
    """The outcome: allowed when there is no reason against. `facts` are the event ids behind it."""

    reasons: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def allow(self) -> bool:
        return not self.reasons


class Weighed(NamedTuple):
    """A fact that concerns a decision, and what it comes to there.

    Of a restriction: `stands`, `lifted`, `cleared`, or `not_asked` (nothing but a death forbids what the law requires).
    Of a grant: `counts`, `void`, `not_yet`, `expired`, `too_weak`.
    """

    fact: Restriction | Grant
    base: bool  # known of the base form
    comes_to: str


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
            if not lifted(view.registers, restriction, at) and not grants.clears(restriction):
                reasons.setdefault(restriction.kind, []).append(restriction.id)
    if x.purpose in AGED:
        minor = [birth.id for view in views if not view.base for birth, end in ages(view.registers, at) if at < end]
        if minor:
            reasons["minor"] = minor
    if x.channel != ANY:
        _undeliverable(views, at, reasons)
    if rules.needs_grant(x.purpose) and not grants.counting:
        reasons[grants.why_not()] = []
    behind = [ident for ids in reasons.values() for ident in ids] or [grant.id for grant in grants.counting]
    return Decision(tuple(sorted(reasons, key=REASON_RANK.__getitem__)), tuple(dict.fromkeys(behind)))


def weigh(x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str) -> list[Weighed]:
    """Every restriction and grant that `decide` looks at, and what it comes to: for people, who ask why.

    Laws: the restrictions that stand, and no others, are the kinds among the reasons of `decide`.
    """
    where = path(x)
    concerning = [(view, r) for view in views for r in _concerning(view, where)]
    grants = _Grants(x, at, views, rules, channel, unrestricted=not concerning)
    found = []
    for view, restriction in concerning:
        if lifted(view.registers, restriction, at):
            comes_to = "lifted"
        elif x.purpose == "legal_required":
            comes_to = "stands" if restriction.kind == "deceased" else "not_asked"
        else:
            comes_to = "cleared" if grants.clears(restriction) else "stands"
        found.append(Weighed(restriction, view.base, comes_to))
    own = [view for view in views if not view.base]
    given = [grant for view in own for grant in view.registers.grants if grant.node in where]
    return found + [Weighed(grant, False, grants.comes_to(grant)) for grant in dict.fromkeys(given)]


def _decide_required(x: Node, at: int, views: Iterable[View]) -> Decision:
    reasons: dict[str, list[str]] = {}
    where = path(x)
    for view in views:
        for restriction in _concerning(view, where):
            if restriction.kind == "deceased" and not lifted(view.registers, restriction, at):
                reasons.setdefault("deceased", []).append(restriction.id)
    _undeliverable(views, at, reasons)
    return Decision(tuple(reasons), tuple(ident for ids in reasons.values() for ident in ids))


def _concerning(view: View, where: frozenset[Node]) -> Iterator[Restriction]:
    for restriction in view.registers.restrictions.values():
        if restriction.node in where and (not view.base or KINDS[restriction.kind].base_form):
            yield restriction


def _undeliverable(views: Iterable[View], at: int, reasons: dict[str, list[str]]) -> None:
    for view in views:
        bounce = view.registers.bounced
        if bounce is not None and not view.base and undeliverable(view.registers, at):
            reasons.setdefault("undeliverable", []).append(bounce.id)


class _Grants:
    """The grants of a decision: which are void, which count, which would but for their level or their end."""

    def __init__(
        self, x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str, unrestricted: bool
    ) -> None:
        self.x, self.at, self.rules = x, at, rules
        self.migrated = unrestricted and rules.allow_migrated and rules.min_evidence <= 2 and x.purpose != "sharing"
        self.living = list(living(at, views, channel, path(x)))
        self.counting = [grant for grant in self.living if self.enough(grant) and grant.lo <= at < grant.valid_until]

    def enough(self, grant: Grant) -> bool:
        return enough(grant, self.rules, self.migrated)

    def clears(self, restriction: Restriction) -> bool:
        needed = level_to_clear(restriction.kind)
        if needed is None:
            return False
        return any(
            grant.lo > restriction.hi and grant.level >= needed and names(grant, restriction) for grant in self.counting
        )

    def comes_to(self, grant: Grant) -> str:
        """See `Weighed`."""
        if grant not in self.living:
            return "void"
        if grant.lo > self.at:
            return "not_yet"
        if self.at >= grant.valid_until:
            return "expired"
        return "counts" if self.enough(grant) else "too_weak"

    def why_not(self) -> str:
        covering = [grant for grant in self.living if grant.lo <= self.at]
        if any(self.enough(grant) and self.at >= grant.valid_until for grant in covering):
            return "expired"
        if any(self.at < grant.valid_until and not self.enough(grant) for grant in covering):
            return "evidence_too_low"
        return "no_consent"
