"""Was a message handed over after its withdrawal could be obeyed? Pure: records of sends, facts of the ledger, rules.

1. A fact is enforceable from `received` on: the instant at which Kafka accepted its event. Derived facts carry the
   instant of the event that set them off.
2. What the answer was at an instant is what `decide` says at that instant on the facts received by then: the registers
   of the address, of its base form, of the contact, as in a check. Freshness is no matter here, nor is the kill switch.
3. Between two facts an answer changes where a grant ends, a child comes of age, or something counts from a later
   instant on; nowhere else. So it is known at every instant from finitely many.
4. A message is late by the time since the fact from which on the answer was no without a break. Where it was no all the
   time for want of a permission, by the time since the first fact of those that restrict without a break.
5. A denial without such a fact (never permitted, or expired) is no late message but one without permission.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import Decision, decide, question
from consent_stream.domain.facts import SMS, Fact
from consent_stream.domain.nodes import CHANNELLESS, PURPOSES, Node, valid_scope
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import stands_on
from consent_stream.domain.times import adult_from
from consent_stream.wire.send import Send

ALWAYS = -(1 << 62)  # before any instant
WANTING = frozenset(("expired", "evidence_too_low", "no_consent"))  # reasons for want of a permission: no fact forbids


class Case(NamedTuple):
    """What was asked about a message: all that the answer depends on besides facts, rules and time."""

    tenant: str
    channel: str
    purpose: str
    scope: str
    keys: tuple[bytes, ...]
    bases: tuple[bytes, ...]
    address_channel: str
    bare: bool


class Step(NamedTuple):
    """The answer from an instant on, until the next step. facts: those received at it; none when only time went by."""

    since: int
    reasons: tuple[str, ...]
    behind: tuple[str, ...]  # event ids
    facts: tuple[Fact, ...]


class Judgement(NamedTuple):
    """Of one hand-over. reasons: against it at that instant, none when it was permitted.

    kind, fact: the withdrawal after which it came, and since when that could be obeyed (microseconds); None when no
    fact forbade it.
    """

    reasons: tuple[str, ...]
    kind: str = ""
    fact: Fact | None = None
    since: int = 0

    @property
    def late(self) -> bool:
        """Whether it came after a withdrawal."""
        return self.fact is not None


PERMITTED = Judgement(())


def case_of(send: Send) -> Case:
    """The question behind a record."""
    return Case(*(getattr(send, name) for name in Case._fields))


def course(case: Case, facts: Iterable[Fact], rules: Tenant, until: int, since: int = ALWAYS) -> list[Step]:
    """The answers to a question through time, up to `until`, each where it begins.

    Shapes: `facts` of all its keys, in any order; those of other tenants do not count. since: where to begin, on the
    facts received by then; with `until` it is the one answer of that instant.
    """
    if not (case.keys and _understood(case)):
        return [_step(case, {}, rules, ALWAYS, ())]
    wanted = sorted((fact for fact in facts if fact.tenant == case.tenant and fact.received <= until), key=_received)
    registers: dict[bytes, Registers] = {}
    early = bisect_right(wanted, since, key=_received)
    fold(wanted[:early], registers)
    moments = [(since, ()), *((at, tuple(group)) for at, group in groupby(wanted[early:], key=_received))]
    steps = []
    for number, (at, arrived) in enumerate(moments):
        fold(arrived, registers)
        steps.append(_step(case, registers, rules, at, arrived))
        # To the next facts' own instant: what time does there is not their doing, and stands before them.
        end = moments[number + 1][0] if number + 1 < len(moments) else until
        steps += [_step(case, registers, rules, later, ()) for later in _turns(registers.values(), at, end)]
    return steps


def judge(steps: Sequence[Step], at: int) -> Judgement:
    """Whether a hand-over at instant `at` came after a withdrawal. steps: its course, at least up to then."""
    last = bisect_right(steps, at, key=_since) - 1
    reasons = steps[last].reasons
    if not reasons:
        return PERMITTED
    first = last
    while first and steps[first - 1].reasons:
        first -= 1
    if not steps[first].facts:  # never permitted, or expired: what forbids it besides?
        first = last + 1
        while first and not WANTING.issuperset(steps[first - 1].reasons):
            first -= 1
        if first > last or not steps[first].facts:
            return Judgement(reasons)
    begun = steps[first]
    before = steps[first - 1].reasons if first else ()
    new = [reason for reason in begun.reasons if reason not in before]
    behind = [fact for fact in begun.facts if fact.id in begun.behind]
    return Judgement(reasons, (new or begun.reasons)[0], (behind or begun.facts)[-1], begun.since)


def answer(case: Case, registers: Mapping[bytes, Registers], rules: Tenant, at: int) -> Decision:
    """What a check would say at an instant, were these the rows of its keys."""
    if not case.keys:
        return Decision(("bad_address",), ())
    if not _understood(case):
        return Decision(("unknown_purpose",), ())
    x, views, channel = asked_of(case, registers)
    decision = decide(x, at, views, rules, channel)
    if case.bare and decision.allow and not any(stands_on(case.channel, view.registers) for view in _own(views)):
        decision = Decision(("no_consent",), ())  # nobody can tell whose key it is
    return decision


def asked_of(case: Case, registers: Mapping[bytes, Registers]) -> tuple[Node, list[View], str]:
    """The node that is asked about, the rows as the rules see them, and the channel of the address."""
    views = [View(registers[key]) for key in case.keys if key in registers]
    own = _own(views)
    views += [View(registers[key], True) for key in case.bases if key in registers]
    channel = case.address_channel or ("sms" if not own or own[0].registers.channels & SMS else "email")
    return question(case.purpose, channel, case.scope), views, channel


def fold(facts: Iterable[Fact], registers: dict[bytes, Registers]) -> None:
    """Join facts into the registers of their keys."""
    for fact in facts:
        registers.setdefault(fact.key, Registers(fact.tenant)).apply(fact)


def _own(views: Iterable[View]) -> list[View]:
    return [view for view in views if not view.base]


def _understood(case: Case) -> bool:
    purposes = CHANNELLESS if case.channel == "sharing" else PURPOSES
    return case.purpose in purposes and valid_scope(case.scope)


def _step(case: Case, registers: dict[bytes, Registers], rules: Tenant, at: int, facts: tuple[Fact, ...]) -> Step:
    return Step(at, *answer(case, registers, rules, at), facts)


def _turns(registers: Iterable[Registers], after: int, end: int) -> list[int]:
    """Instants after one and up to another at which an answer may change though no fact arrives."""
    return sorted({instant for reg in registers for instant in _instants(reg) if after < instant <= end})


def _instants(reg: Registers) -> Iterator[int]:
    for grant in reg.grants:
        yield grant.lo
        yield grant.valid_until
    for birth in reg.births.values():
        yield adult_from(birth.date)
    for lifts in reg.lifts.values():
        for lift in lifts:
            yield lift.lo
    for delivery in (reg.bounced, reg.delivered):
        if delivery is not None:
            yield delivery.time


def _received(fact: Fact) -> int:
    return fact.received


def _since(step: Step) -> int:
    return step.since
