"""Why a gate answers as it does: for people. The answer is that of a check, the rest is what it rested on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import Weighed, question, weigh
from consent_stream.domain.facts import Grant, Restriction
from consent_stream.domain.policy import DEFAULTS
from consent_stream.gate.checker import Checker, _instant
from consent_stream.gate.known import Get
from consent_stream.gate.question import Question
from consent_stream.gate.verdict import Verdict
from consent_stream.wire.keys import kind_of

ALONE = ("bad_address", "unknown_purpose")  # answers that rest on no row

WORDS = {
    "stopped": "sending is stopped (kill switch)",
    "not_ready": "the gate has not read its list, or cannot read this row",
    "stale": "there is no proof that recent withdrawals are in the list",
    "unknown_tenant_key": "no key material for this tenant",
    "bad_address": "this is no address",
    "unknown_purpose": "this is no purpose, or no scope, that the list answers for",
    "legal": "blocked for a legal reason",
    "deceased": "the person has died",
    "frozen": "processing is restricted",
    "suppressed_by_staff": "suppressed by staff",
    "minor": "the person is under 16",
    "minor_suspected": "the person may be under 16",
    "erased": "the person was erased on request",
    "reassigned": "the number belongs to somebody else now",
    "complaint": "complained about a message",
    "objected": "objected to direct marketing",
    "global_opt_out": "opted out of everything",
    "sharing_opt_out": "opted out of sharing",
    "sms_stop": "texted STOP",
    "sms_stop_review": "texted what may be a STOP; to be reviewed",
    "unsubscribed": "unsubscribed",
    "topic_opt_out": "opted out of this topic",
    "undeliverable": "messages bounce",
    "expired": "the consent has expired",
    "evidence_too_low": "the evidence of consent is too weak",
    "no_consent": "nobody consented to this",
}


class Probe(NamedTuple):
    """A subject key that was looked up. kind: `address`, `contact`, or `base` of the address without its tag."""

    key: str
    kind: str
    found: bool


class Told(NamedTuple):
    """A fact of the person that concerns the question.

    kind: of a restriction, or `grant`. since: hi of a restriction, lo of a grant (µs). level, valid_until: of a grant,
    else None. comes_to: see `domain.decide.Weighed`.
    """

    kind: str
    node: str
    since: int
    event: str
    comes_to: str
    base: bool
    level: int | None = None
    valid_until: int | None = None


class Rules(NamedTuple):
    """What the policy says of it. known: whether the policy names the tenant; else these are the defaults."""

    known: bool
    basis: str
    min_evidence: int
    allow_migrated: bool


@dataclass(frozen=True)
class Explanation:
    """A verdict and what it rests on. words: what each reason means. at: the instant decided for (µs).

    rules: None, and no facts, where the answer rests on no row (`bad_address`, `unknown_purpose`, no key).
    limit: seconds that an answer may be behind.
    """

    verdict: Verdict
    words: dict[str, str]
    at: int
    limit: float
    keys: tuple[Probe, ...] = ()
    facts: tuple[Told, ...] = ()
    rules: Rules | None = None

    def __bool__(self) -> bool:
        return self.verdict.allow

    def fields(self) -> dict[str, Any]:
        """For JSON."""
        told = asdict(self)
        told["keys"] = [each._asdict() for each in self.keys]
        told["facts"] = [each._asdict() for each in self.facts]
        told["rules"] = None if self.rules is None else self.rules._asdict()
        return told


def explain(checker: Checker, q: Question) -> Explanation:
    """See `Gate.explain`."""
    moment = checker.moment(settled=q.contact is None)
    moment = moment._replace(get=_once(moment.get))  # the rows that are told of are those that were decided by
    verdict = checker.ask(q, moment)
    at = moment.wall if q.at is None else _instant(q.at)
    words = {reason: WORDS[reason] for reason in verdict.reasons}
    told = Explanation(verdict, words, at, checker._limit / 1e6)
    asked = checker._subjects(q.tenant, q.email, q.phone, q.key, q.contact, q.region)
    if asked.fault or set(verdict.reasons) & {*ALONE, "unknown_tenant_key"}:
        return told
    found, _ = checker._look(asked, moment.get)
    views, _, _ = checker._views(asked, found, q.tenant)
    policy = moment.known.policy
    rules = DEFAULTS if policy is None else policy.tenant(q.tenant)
    channel = asked.channel or checker._channel_of(views)
    weighed = weigh(question(q.purpose, channel, q.scope), at, views, rules, channel)
    basis = rules.basis_for(q.purpose)
    there = {key for key in (*asked.keys, *asked.bases) if moment.get(key) is not None}
    kinds = [(key, kind_of(key)) for key in asked.keys]
    keys = (*kinds, *((key, "base") for key in asked.bases))
    return Explanation(
        verdict,
        words,
        at,
        told.limit,
        keys=tuple(Probe(key.hex(), kind, key in there) for key, kind in keys),
        facts=(*(_told(each) for each in weighed), *_beside(views, verdict)),
        rules=Rules(policy is not None and q.tenant in policy.tenants, basis, rules.min_evidence, rules.allow_migrated),
    )


def _told(weighed: Weighed) -> Told:
    fact, base, comes_to = weighed
    if isinstance(fact, Restriction):
        return Told(fact.kind, str(fact.node), fact.hi, fact.id, comes_to, base)
    assert isinstance(fact, Grant)
    return Told("grant", str(fact.node), fact.lo, fact.id, comes_to, base, fact.level, fact.valid_until)


def _beside(views: list[View], verdict: Verdict) -> list[Told]:
    """Births and bounces, which are no restrictions of a node and forbid all the same."""
    found = []
    for view in views:
        reg = view.registers
        if "minor" in verdict.reasons and not view.base:
            found += [Told("minor", "*:*:*", each.hi, each.id, "stands", False) for each in reg.births.values()
                      if each.id in verdict.facts]  # fmt: skip
        if "undeliverable" in verdict.reasons and reg.bounced is not None and reg.bounced.id in verdict.facts:
            found.append(Told("undeliverable", "*:*:*", reg.bounced.time, reg.bounced.id, "stands", view.base))
    return found


def _once(get: Get) -> Get:
    rows: dict[bytes, bytes | None] = {}

    def known(key: bytes) -> bytes | None:
        if key not in rows:
            rows[key] = get(key)
        return rows[key]

    return known
