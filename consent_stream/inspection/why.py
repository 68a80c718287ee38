"""Why may this be sent, or why not: the verdict of an instant and the chain behind it. Pure.

1. The verdict is that of `late.answer`, which is that of a check, on the facts received by `known_at`.
2. At an instant that has passed, what had not happened by then does not count, though it is known today: a withdrawal
   or a bounce that was neither received by then nor ends by then what is known of its time. A permission that came in
   late counts from its own time on. (A check with a past `at` is stricter: it holds later withdrawals against it.)
3. Facts of other tenants under the same keys do not count, nor do facts of linked keys; these tell where a derived fact
   came from.
4. Sends are judged as `late` judges them, each by its own question, on all that was received by `known_at`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from consent_stream.domain.decide import Decision
from consent_stream.domain.facts import Fact, Grant
from consent_stream.domain.policy import Notice, Tenant
from consent_stream.domain.registers import Registers
from consent_stream.gate.explaining import WORDS
from consent_stream.inspection.barrier import Reports, events_lag
from consent_stream.inspection.history import History, Placed
from consent_stream.inspection.late import Case, Step, answer, asked_of, case_of, course, fold, judge
from consent_stream.inspection.whychain import (
    Chain,
    Change,
    Event,
    FactTold,
    GateTold,
    ListRecord,
    Permission,
    SendTold,
    Subject,
    Trouble,
)
from consent_stream.inspection.whyfacts import Telling, as_of
from consent_stream.inspection.whywords import sentence, story
from consent_stream.wire.gate_report import GateReport
from consent_stream.wire.keys import kind_of

EVER = 1 << 62  # after any instant
Notices = Mapping[tuple[str, str, str], Notice]  # (tenant, id, version)
# What makes a part one that the answer rests on, by the reason against.
_WANTED = {"expired": "expired", "evidence_too_low": "too_weak", "no_consent": "void"}


def explain_chain(
    history: History,
    case: Case,
    *,
    now: int,
    at: int | None = None,
    known_at: int | None = None,
    notices: Notices | None = None,
    reports: Iterable[GateReport] = (),
    cautions: Iterable[str] = (),
) -> Chain:
    """The chain behind the answer to a question.

    history: at least of the case's keys. now, at, known_at: µs; at: the instant to decide for, by default `known_at`,
    by default `now`. notices: of a policy file, None without one. reports: what gates say of themselves.
    """
    known = EVER if known_at is None else known_at
    instant = next(each for each in (at, known_at, now) if each is not None)
    rules = history.policy.tenant(case.tenant)
    placed = _wanted(history, case, known)
    registers: dict[bytes, Registers] = {}
    fold((as_of(each.fact, instant) for each in placed), registers)
    decision = answer(case, registers, rules, instant)
    events, beside = _events(history, case, placed, registers, decision, rules, instant, known)
    permission = _permission(case, registers, decision, notices)
    deciding = [event for event in events if event.decides]
    node, _, _ = asked_of(case, registers)
    basis = rules.basis_for(case.purpose)
    listed = None if at is not None or known_at is not None else _list_reasons(history, case, rules, instant)
    return Chain(
        tenant=case.tenant,
        channel=case.channel,
        purpose=case.purpose,
        scope=case.scope,
        subjects=_subjects(case, placed),
        at=instant,
        known_at=now if known_at is None else known_at,
        allow=decision.allow,
        reasons=decision.reasons,
        words={reason: WORDS[reason] for reason in decision.reasons},
        sentence=sentence(case.tenant, str(node), decision.reasons, events, permission, basis),
        story=story(events),
        deciding=decision.facts,
        permission=permission,
        basis=basis,
        min_evidence=rules.min_evidence,
        allow_migrated=rules.allow_migrated,
        events=events,
        beside=beside,
        lists=_lists(history, case),
        list_reasons=listed,
        gates=_gates(history, case, deciding or events, reports, now, known_at),
        sends=_sends(history, case, rules, known, deciding),
        through=history.through,
        damaged=tuple(Trouble(each.topic, *each.place[:2], each.why) for each in history.damaged),
        cautions=(*cautions, *_cautions(history, case, placed, decision, listed)),
    )


def _wanted(history: History, case: Case, known: int) -> list[Placed]:
    keys = {*case.keys, *case.bases}
    found: dict[Fact, Placed] = {}  # a worker that is killed writes again what it had written
    for each in history.facts:
        fact = each.fact
        if fact.key in keys and fact.tenant == case.tenant and fact.received <= known:
            found.setdefault(fact, each)
    return sorted(found.values(), key=_order)


def _order(placed: Placed) -> tuple[int, int, int, bool, bytes, int]:
    fact = placed.fact
    return fact.received, fact.partition, fact.offset, fact.derived, fact.key, placed.place.offset


def _events(
    history: History,
    case: Case,
    placed: Sequence[Placed],
    registers: Mapping[bytes, Registers],
    decision: Decision,
    rules: Tenant,
    at: int,
    known: int,
) -> tuple[tuple[Event, ...], int]:
    """The events that concern the question, and how many others there are."""
    telling = Telling(case, registers, rules, at, [*history.linked, *history.facts])
    # As it went, whatever instant is asked for: each event by what was known before it and with it.
    steps = course(case, (each.fact for each in placed), rules, max([at, *(each.fact.received for each in placed)]))
    changes: dict[tuple[int, int], list[Change]] = {}
    for _, key, change in history.changes:
        if key in case.keys and change.received <= known and change.tenant == case.tenant:
            was, now = change.before, change.after
            changes.setdefault((change.partition, change.offset), []).append(
                Change(change.channel, key.hex(), change.version, was.status, now.status, was.reasons, now.reasons)
            )
    found, beside = [], 0
    for place, group in groupby(placed, key=lambda each: (each.fact.partition, each.fact.offset)):
        same = list(group)
        facts = tuple(told for each in same if (told := telling.fact(each)) is not None)
        if not facts:
            beside += 1
            continue
        first = same[0].fact
        before, after = _around(steps, first.received)
        decides = _decides(first.id, facts, decision)
        about = (first.id, first.source, first.type, first.received, *place, decides, before, after)
        found.append(Event(*about, facts, tuple(changes.get(place, ()))))
    return tuple(found), beside


def _around(steps: Sequence[Step], received: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    before = bisect_left(steps, received, key=lambda step: step.since) - 1
    after = bisect_right(steps, received, key=lambda step: step.since) - 1
    return steps[max(before, 0)].reasons, steps[max(after, 0)].reasons


def _decides(ident: str, facts: Iterable[FactTold], decision: Decision) -> bool:
    """Whether the answer rests on an event: by what stands or counts, or by what wants for it to count."""
    wanted = {_WANTED[reason] for reason in decision.reasons if reason in _WANTED}
    came = {part.comes_to for fact in facts for part in fact.parts}
    return (ident in decision.facts and bool(came & {"stands", "counts"})) or bool(came & wanted)


def _permission(
    case: Case, registers: Mapping[bytes, Registers], decision: Decision, notices: Notices | None
) -> Permission | None:
    """Of the grants that count, the one that does so for longest."""
    own = [registers[key] for key in case.keys if key in registers]
    counting = [grant for reg in own for grant in reg.grants if decision.allow and grant.id in decision.facts]
    if not counting:
        return None
    grant: Grant = max(counting, key=lambda each: (each.valid_until, each))
    notice = (notices or {}).get((case.tenant, grant.notice_id, grant.notice_version))
    about = (grant.id, grant.source, str(grant.node), grant.level, grant.lo, grant.valid_until)
    return Permission(*about, grant.notice_id, grant.notice_version, notice.sha256 if notice else None)


def _subjects(case: Case, placed: Sequence[Placed]) -> tuple[Subject, ...]:
    known = {each.fact.key for each in placed}
    kinds = [(key, kind_of(key)) for key in case.keys]
    return tuple(Subject(key.hex(), kind, key in known) for key, kind in (*kinds, *((k, "base") for k in case.bases)))


def _lists(history: History, case: Case) -> tuple[ListRecord, ...]:
    found = []
    for (channel, key), (place, entry) in sorted(history.entries.items()):
        if key in (*case.keys, *case.bases) and entry.tenant == case.tenant:
            kind = "base" if key in case.bases else kind_of(key)
            what = (entry.status, entry.reasons, entry.blocked_scopes, entry.version, entry.generation)
            cause = (entry.cause_id, entry.cause_partition, entry.cause_offset)
            found.append(ListRecord(channel, key.hex(), kind, *what, *cause, *place))
    return tuple(found)


def _list_reasons(history: History, case: Case, rules: Tenant, at: int) -> tuple[str, ...]:
    """What a gate with these records answers."""
    rows = {
        key: entry.registers
        for (channel, key), (_, entry) in history.entries.items()
        if channel == case.channel and entry.tenant == case.tenant
    }
    return answer(case, rows, rules, at).reasons


def _cautions(
    history: History, case: Case, placed: Sequence[Placed], decision: Decision, listed: tuple[str, ...] | None
) -> Iterator[str]:
    if case.tenant not in history.policy.tenants:
        yield "the policy of the workers names no such tenant: is it spelt as in the policy?"
    elif case.keys and not placed and not history.facts:
        yield "nothing is known under these keys: is it the right address, contact and tenant?"
    if history.damaged:
        yield f"{len(history.damaged)} records of these keys cannot be read by this version: they may say otherwise"
    if not history.through:
        yield "no worker says how far the ledger is whole: what was accepted lately may be missing"
    if listed is not None and listed != decision.reasons:
        said = f"no ({', '.join(listed)})" if listed else "yes"
        yield f"the records of the list say {said}: a gate that has them answers so, whatever the facts say"


def _gates(
    history: History,
    case: Case,
    events: Sequence[Event],
    reports: Iterable[GateReport],
    now: int,
    known_at: int | None,
) -> tuple[GateTold, ...]:
    """Which gates have the last of these events, by what they said until `known_at`."""
    if not events:
        return ()
    last = events[-1]
    settled = not any(kind_of(key) == "contact" for key in case.keys)
    lag = events_lag({last.partition: last.offset}, settled=settled, generation=history.generation)
    until = EVER if known_at is None else known_at
    heard = Reports(lag)
    heard.hear(report for report in reports if report.written <= until)
    found = heard.barrier(now if known_at is None else known_at, [case.channel])
    return tuple(
        GateTold(each.report.gate, each.report.name, each.report.host, each.report.list, *each[1:])
        for each in found.gates
    )


def _sends(history: History, case: Case, rules: Tenant, known: int, deciding: Sequence[Event]) -> tuple[SendTold, ...]:
    facts = [each.fact for each in (*history.facts, *history.linked) if each.fact.received <= known]
    at_hand = {*history.keys, *history.links}
    keys = set(case.keys)
    from_ = deciding[-1].received if deciding else EVER
    found = []
    courses: dict[Case, list[Step]] = {}
    for _, send in history.sends:
        if send.ended > known or (send.tenant, send.channel) != (case.tenant, case.channel):
            continue
        if not keys.intersection(send.keys):
            continue
        at = send.ended if send.handed_over_at is None else send.handed_over_at
        asked, permitted, late_by = case_of(send), None, None
        if send.handed_over_at is not None and at < history.through and at_hand.issuperset((*asked.keys, *asked.bases)):
            if asked not in courses:
                courses[asked] = course(asked, facts, rules, min(known, history.through))
            judged = judge(courses[asked], at)
            permitted, late_by = not judged.reasons, at - judged.since if judged.late else None
        about = (send.message_id, send.sender, send.gate, send.purpose, send.scope, at, send.outcome)
        said = (send.allow, send.reasons, send.version)
        found.append(SendTold(*about, *said, at >= from_, permitted, late_by))
    return tuple(sorted(found, key=lambda each: each.at))
