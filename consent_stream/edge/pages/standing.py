"""How a person stands, item by item, as a page shows it; and what it takes to open an item again. Pure.

Every answer is `domain.decide`'s. A yes names the nodes of every restriction in its way (RULES §5, `names`), so the
page must tell them before it asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from consent_stream.domain.clearing import View, level_to_clear
from consent_stream.domain.decide import decide, question, weigh
from consent_stream.domain.facts import REVIEWED, Grant, Restriction
from consent_stream.domain.nodes import ANY, CHANNELLESS, Node
from consent_stream.domain.policy import Tenant

NAMES_PER_GRANT = 32  # more cannot be named in one yes


class Choice(NamedTuple):
    """One thing that may be on or off.

    reasons: why it is off. names: nodes that a yes reopens, its own aside. level: the evidence a yes needs (3, 4).
    shut: reasons that no yes takes away.
    """

    node: Node
    on: bool
    reasons: tuple[str, ...] = ()
    names: tuple[Node, ...] = ()
    level: int = 3
    shut: tuple[str, ...] = ()


class Fact(NamedTuple):
    """One thing that is held. since: µs. comes_to: see `domain.decide.Weighed`. until: of a yes (µs), else 0."""

    kind: str
    node: Node
    since: int
    comes_to: str
    until: int = 0
    notice: str = ""


def choice(x: Node, at: int, views: Sequence[View], rules: Tenant, channel: str) -> Choice:
    """How node `x` stands. A bounce leaves it on: it is no choice of the person's."""
    reasons = tuple(each for each in decide(x, at, views, rules, channel).reasons if each != "undeliverable")
    against = [
        each.fact for each in weigh(x, at, views, rules, channel) if isinstance(each.fact, Restriction)
        and each.comes_to == "stands"
    ]  # fmt: skip
    levels = [level for r in against if (level := level_to_clear(r.kind)) is not None]
    shut = [r.kind for r in against if level_to_clear(r.kind) is None and r.kind not in REVIEWED]
    shut += [r.kind for r in against if r.kind == "minor_suspected"]
    shut += [each for each in reasons if each == "minor"]
    names = tuple(sorted({r.node for r in against} - {x}))
    if len(names) > NAMES_PER_GRANT:
        shut.append("too_many")
    needed = max([3, rules.min_evidence, 4 if x.purpose == "sharing" else 3, *levels])
    return Choice(x, not reasons, reasons, names, needed, tuple(dict.fromkeys(shut)))


def scopes(purpose: str, channel: str, known: Iterable[str], views: Iterable[View]) -> list[str]:
    """The scopes to show: those the tenant names, in its order, then those that stand in the person's rows.

    A topic stands right after its program. `*` is left out.
    """
    found = dict.fromkeys(known)
    about = ANY if purpose in CHANNELLESS else channel
    for view in views:
        reg = view.registers
        nodes = {slot[1] for slot in reg.restrictions} | {terms[0] for terms in reg.groups}
        mine = sorted(n.scope for n in nodes if n.purpose == purpose and n.channel in (about, ANY))
        found.update(dict.fromkeys(mine))
    found.pop(ANY, None)
    programs = dict.fromkeys(scope.split("/", 1)[0] for scope in found)
    return [scope for first in programs for scope in _within(first, found)]


def _within(program: str, found: Iterable[str]) -> list[str]:
    return [program, *(scope for scope in found if scope.startswith(program + "/"))]


def facts(at: int, views: Sequence[View], rules: Tenant, channel: str) -> list[Fact]:
    """Everything that is held of the person, newest first, each with what it comes to where it was said."""
    told: dict[Fact, None] = {}
    said: list[Restriction | Grant]
    for view in views:
        reg = view.registers
        said = [*reg.restrictions.values(), *reg.grants]
        for each in said:
            told[_fact(each, at, views, rules, channel)] = None
        for birth in reg.births.values():
            told[Fact("birth", Node(ANY, ANY, ANY), birth.hi, "stands")] = None
        if reg.bounced is not None:
            told[Fact("bounce", Node(ANY, channel, ANY), reg.bounced.time, "stands")] = None
    return sorted(told, key=lambda fact: (-fact.since, fact.kind, fact.node))


def _fact(fact: Restriction | Grant, at: int, views: Sequence[View], rules: Tenant, channel: str) -> Fact:
    n = fact.node
    purpose = "marketing" if n.purpose == ANY else n.purpose
    x = question(purpose, channel if n.channel == ANY else n.channel, n.scope)
    weighed = {each.fact: each.comes_to for each in weigh(x, at, views, rules, channel)}
    comes_to = weighed.get(fact, "stands" if isinstance(fact, Restriction) else "void")
    if isinstance(fact, Restriction):
        return Fact(fact.kind, n, fact.hi, comes_to)
    return Fact("grant", n, fact.lo, comes_to, fact.valid_until, f"{fact.notice_id} {fact.notice_version}")
