"""The chain behind an answer: every sort of yes and no, told in words, with what it rests on."""

import json
from datetime import UTC, datetime

import pytest

from consent_stream.domain.policy import Notice, read_policy
from consent_stream.domain.times import parse_instant
from consent_stream.inspection.late import Case
from consent_stream.inspection.why import explain_chain
from consent_stream.wire.gate_report import GateReport
from consent_stream.wire.send import HELD_BACK
from consent_stream.wire.topics import LEDGER
from consent_stream.wire.vector import Point
from tests.inspection.log import Log
from tests.topology.made_up import KEYS, NOON, POLICY, event, granted
from tests.wire.samples import SENDS as SAMPLES

HOUR = 3_600_000_000
DAY = 24 * HOUR
MAIL, TAGGED = "ana@example.com", "ana+shop@example.com"
ANA, TAG = (KEYS.subject("acme", "email", each) for each in (MAIL, TAGGED))
CARD = KEYS.subject("acme", "contact", "c-42")
ALL = "marketing:email:*"
SEND = SAMPLES[0]._replace(
    tenant="acme", channel="email", purpose="marketing", scope="news", keys=(ANA,), bases=(), address_channel="email",
    bare=False, outcome="handed_over",
)  # fmt: skip


def dated(kind, ident, time, /, **data):
    """An event at so many microseconds after noon."""
    return event(kind, ident, **data) | {"time": stamp(time)}


def stamp(after):
    return datetime.fromtimestamp((NOON + after) / 1e6, UTC).isoformat()


def consent(ident="g1", after=0, **data):
    return granted(ident, email=MAIL, **data) | {"time": stamp(after)}


def unsubscribe(ident="no", after=HOUR, **data):
    return dated("unsubscribe.oneclick", ident, after, **({"email": MAIL, "channel": "email", "scope": "news"} | data))


def told(*events, policy=POLICY):
    """A log of events, each accepted a second after its time, or (event, when it was accepted)."""
    log = Log(policy)
    for each in events:
        one, received = each if isinstance(each, tuple) else (each, None)
        made = log.add(one, received or instant(one["time"]) + 1_000_000)
        assert made, f"no fact comes of {one['id']}"
    return log


def instant(text):
    return parse_instant(text)


@pytest.fixture
def why(monkeypatch):
    def ask(log, *, keys=(ANA,), bases=(), now=DAY, at=None, known_at=None, purpose="marketing", scope="news", **more):
        case = Case("acme", "email", purpose, scope, keys, bases, "email", False)
        found = log.history(monkeypatch, *keys, *bases)
        after = {name: None if value is None else NOON + value for name, value in (("at", at), ("known_at", known_at))}
        chain = explain_chain(found, case, now=NOON + now, **after, **more)
        json.dumps(chain.fields())
        if at is None and known_at is None:
            assert chain.list_reasons == chain.reasons, "the list says otherwise"
        return chain

    return ask


def comes_to(chain, ident):
    """What the parts of an event come to, and by which events."""
    (found,) = [each for each in chain.events if each.id == ident]
    return {(part.kind, part.comes_to, part.by) for fact in found.facts for part in fact.parts}


# -- yes


def test_a_yes_names_the_grant_the_notice_and_its_text(why):
    notices = {("acme", "n1", "1"): Notice(0, frozenset(("marketing",)), "ab" * 32)}
    chain = why(told(consent()), notices=notices)
    assert chain.allow
    assert chain.sentence == (
        "Yes: the person consented to marketing by e-mail, news on 2026-03-01 12:00:00Z, and nothing forbids it."
    )
    given = chain.permission
    assert (given.event, given.level, given.node, given.since) == ("g1", 3, "marketing:email:news", NOON)
    assert (given.notice_id, given.notice_version, given.sha256) == ("n1", "1", "ab" * 32)
    assert chain.deciding == ("g1",)
    assert [each.decides for each in chain.events] == [True]


def test_without_a_policy_file_the_hash_of_the_notice_is_not_known(why):
    assert why(told(consent())).permission.sha256 is None


def test_a_yes_without_consent_says_on_what_it_rests(why):
    free = read_policy({"tenants": {"acme": {"basis": {"marketing": "legitimate_interest"}}}})
    chain = why(Log(free))
    assert (chain.allow, chain.basis, chain.permission) == (True, "legitimate_interest", None)
    assert "legitimate interest" in chain.sentence
    chain = why(Log(free), purpose="transactional", scope="*")
    assert (chain.allow, chain.basis) == (True, "none needed")


# -- no


def test_a_no_names_what_forbids_it_and_shows_all_coordinates(why):
    log = told(consent(), unsubscribe())
    chain = why(log)
    assert chain.reasons == ("unsubscribed",)
    assert chain.sentence == "No: the person unsubscribed on 2026-03-01 13:00:01Z."
    first, last = chain.events
    assert (first.decides, last.decides) == (False, True)
    assert (last.id, last.source, last.type) == ("no", "/edge", "unsubscribe.oneclick")
    assert (last.received, last.partition, last.offset) == (NOON + HOUR + 1_000_000, 1, 0)
    assert (last.before, last.after) == ((), ("unsubscribed",))
    (fact,) = last.facts
    record = log.topics[LEDGER.full()][fact.partition][fact.offset]
    assert (record.key(), record.written) == (ANA, last.received)
    (part,) = fact.parts
    assert (part.since, part.before, part.after) == (NOON + HOUR + 1_000_000, None, "no")
    assert chain.story[1] == (
        "2026-03-01 13:00:01Z: the person unsubscribed: marketing by e-mail, news (event no from /edge)."
    )


def test_the_record_of_the_list_stands_beside_with_its_cause(why):
    chain = why(told(consent(), unsubscribe()))
    (record,) = chain.lists
    assert (record.list, record.kind, record.cause, record.blocked_scopes) == ("email", "address", "no", ("news",))
    assert (record.cause_partition, record.cause_offset) == (1, 0)


def test_what_changed_on_the_list_stands_with_its_event(why):
    chain = why(told(consent(), dated("unsubscribe.global", "no", HOUR, email=MAIL)))
    (change,) = chain.events[1].changes
    assert (change.before, change.after, change.reasons_after) == ("CLEAR", "SUPPRESSED", ("global_opt_out",))


def test_what_was_received_long_after_it_happened_is_told_by_its_own_date(why):
    log = told((unsubscribe(), NOON + 2 * HOUR), (consent(), NOON + 3 * HOUR))
    chain = why(log)
    assert chain.sentence == "No: the person unsubscribed on 2026-03-01 13:00:01Z (received 2026-03-01 14:00:00Z)."
    assert [each.partition(" (event")[0] for each in chain.story] == [
        "2026-03-01 14:00:00Z: the person unsubscribed: marketing by e-mail, news, dated 2026-03-01 13:00:01Z",
        "2026-03-01 15:00:00Z: the person consented to marketing by e-mail, news (evidence E3, notice n1 version 1), "
        "dated 2026-03-01 12:00:00Z",
    ]


def test_a_second_no_takes_the_place_of_the_first(why):
    chain = why(told(consent(), unsubscribe("n1"), unsubscribe("n2", 2 * HOUR)))
    assert comes_to(chain, "n1") == {("unsubscribed", "replaced", ("n2",))}
    (part,) = chain.events[2].facts[0].parts
    assert (part.before, part.after) == ("n1", "n2")
    assert [each.decides for each in chain.events] == [False, False, True]


def test_expired(why):
    log = told(consent(valid_until=stamp(2 * HOUR)))
    chain = why(log)
    assert chain.reasons == ("expired",)
    assert chain.sentence == "No: the consent expired on 2026-03-01 14:00:00Z."
    assert comes_to(chain, "g1") == {("grant", "expired", ())}
    assert chain.events[0].decides
    assert why(log, at=HOUR).allow


def test_too_weak(why):
    strict = read_policy({
        "tenants": {"acme": {"min_evidence": "E4"}}, "sources": {"/edge": {"clock": "ours", "max_evidence": "E4",
        "tenants": ["*"]}}, "notices": {"acme": [{"id": "n1", "version": 1, "sha256": "00",
        "effective": "2026-01-01T00:00:00Z", "purposes": ["marketing"]}]},
    })  # fmt: skip
    chain = why(told(consent(), policy=strict))
    assert chain.reasons == ("evidence_too_low",)
    assert "(E2)" in chain.sentence or "(E3)" in chain.sentence
    assert comes_to(chain, "g1") == {("grant", "too_weak", ())}


def test_nobody_ever_consented(why):
    chain = why(Log())
    assert chain.sentence == "No: nobody consented to marketing by e-mail, news."
    assert (chain.events, chain.gates, chain.lists) == ((), (), ())
    assert [each.known for each in chain.subjects] == [False]


def test_a_tenant_or_a_person_that_nobody_knows_may_be_a_slip_of_the_pen(why):
    (caution,) = why(Log()).cautions
    assert caution == "nothing is known under these keys: is it the right address, contact and tenant?"
    assert why(told(consent())).cautions == ()
    assert any("names no such tenant" in each for each in why(Log(read_policy({"tenants": {}}))).cautions)


def test_no_address_and_no_purpose(why):
    assert why(Log(), keys=()).reasons == ("bad_address",)
    assert why(told(consent()), purpose="gossip").reasons == ("unknown_purpose",)


def test_a_bounce_and_the_delivery_that_answers_it(why):
    bounce = dated("delivery.bounced", "b", HOUR, email=MAIL, channel="email", status="5.1.1")
    chain = why(told(consent(), bounce))
    assert chain.reasons == ("undeliverable",)
    assert chain.sentence.startswith("No: a message bounced on ")
    chain = why(told(consent(), bounce, dated("delivery.succeeded", "d", 2 * HOUR, email=MAIL, channel="email")))
    assert chain.allow
    assert comes_to(chain, "b") == {("bounce", "answered", ("d",))}
    assert comes_to(chain, "d") == {("delivery", "answers", ())}


# -- taken back


def test_a_no_that_a_later_consent_cleared_says_by_which_and_why(why):
    chain = why(told(consent(), unsubscribe(), consent("g2", 2 * HOUR)))
    assert chain.allow
    assert comes_to(chain, "no") == {("unsubscribed", "cleared", ("g2",))}
    assert chain.story[1].startswith(
        "2026-03-01 13:00:01Z: the person unsubscribed: marketing by e-mail, news; cleared"
    )
    assert "by event g2 (consent.granted) of 2026-03-01 14:00:01Z, because the later consent names it" in chain.story[1]


def test_a_restriction_that_two_people_lifted(why):
    block = dated("subject.restricted", "f", HOUR, email=MAIL)
    lift = dated("admin.lift", "l", 2 * HOUR, email=MAIL, kind="frozen", node="*:*:*", approved_by=["eve", "bob"])
    chain = why(told(consent(), block, lift))
    assert chain.allow
    assert comes_to(chain, "f") == {("frozen", "lifted", ("l",))}
    assert comes_to(chain, "l") == {("lift", "lifts", ())}
    assert "lifted by event l (admin.lift) of 2026-03-01 14:00:01Z" in chain.story[1]
    assert chain.story[2].startswith("2026-03-01 14:00:01Z: the block `frozen` was lifted for everything")


def test_a_grant_that_was_taken_out_of_counting_names_the_void(why):
    void = dated("consent.invalidated", "v", HOUR, email=MAIL, voids=["grant:/edge#g1"], approved_by=["eve", "bob"])
    chain = why(told(consent(), void))
    assert chain.reasons == ("no_consent",)
    assert chain.sentence == "No: the consent of 2026-03-01 12:00:00Z does not count."
    assert comes_to(chain, "g1") == {("grant", "void", ("v",))}
    assert comes_to(chain, "v") == {("void", "voids", ())}
    assert "it does not count by event v (consent.invalidated)" in chain.story[0]


def test_erasure_voids_what_was_granted_before(why):
    chain = why(told(consent(), dated("subject.erasure_ordered", "x", HOUR, email=MAIL)))
    assert chain.reasons == ("erased", "no_consent")
    assert comes_to(chain, "g1") == {("grant", "void", ("x",))}


def test_each_grant_names_its_own_voids(why):
    void = dated("consent.invalidated", "v", HOUR, email=MAIL, voids=["grant:/edge#g1"], approved_by=["eve", "bob"])
    erasure = dated("subject.erasure_ordered", "x", 2 * HOUR, email=MAIL)
    chain = why(told(consent("g1"), consent("g2"), void, erasure))
    assert comes_to(chain, "g1") == {("grant", "void", ("v", "x"))}
    assert comes_to(chain, "g2") == {("grant", "void", ("x",))}


def test_a_child(why):
    chain = why(told(consent(), dated("subject.age_asserted", "b", HOUR, email=MAIL, birth_date="2015-01-01")))
    assert "minor" in chain.reasons
    assert "under 16" in chain.sentence
    assert ("grant", "void", ("b",)) in comes_to(chain, "g1")
    assert "2015" not in json.dumps(chain.fields())  # a birth date is nobody's to read here


# -- from elsewhere


def test_a_derived_fact_says_over_which_link_it_came(why):
    log = told(consent(contact="c-42"), dated("unsubscribe.global", "no", HOUR, contact="c-42"))
    chain = why(log)
    assert chain.reasons == ("global_opt_out",)
    (fact,) = chain.events[1].facts
    assert (fact.kind, fact.derived) == ("address", True)
    assert (fact.over.key, fact.over.kind, fact.over.direct) == (CARD.hex(), "contact", True)
    assert "said for the contact that is linked to this address" in chain.story[1]


def test_when_the_contact_is_asked_about_too_the_event_is_one_with_both_facts(why):
    log = told(consent(contact="c-42"), dated("unsubscribe.global", "no", HOUR, contact="c-42"))
    chain = why(log, keys=(ANA, CARD))
    assert [(each.kind, each.derived) for each in chain.events[1].facts] == [("contact", False), ("address", True)]
    assert "linked" not in chain.story[1]


def test_what_is_said_without_the_tag_holds_with_it(why):
    log = told(granted(email=TAGGED), dated("feedback.complaint", "c", HOUR, email=MAIL, channel="email"))
    chain = why(log, keys=(TAG,), bases=(ANA,))
    assert chain.reasons == ("complaint",)
    assert [each.kind for each in chain.subjects] == ["address", "base"]
    assert "said for the same mailbox without its tag" in chain.story[1]


def test_events_about_something_else_are_counted_and_not_told(why):
    chain = why(told(consent(), consent("g2", 60_000_000, scope="offers")))
    assert ([each.id for each in chain.events], chain.beside) == (["g1"], 1)


def test_what_a_killed_worker_wrote_twice_is_told_once(why):
    log = told(consent(), unsubscribe())
    for partition in list(log.topics[LEDGER.full()].values()):
        for record in list(partition):
            log.write(LEDGER, record.key(), record.value(), record.written)
    assert [len(each.facts) for each in why(log).events] == [1, 1]


# -- as of


def test_what_was_known_then_leaves_out_what_came_later(why):
    """A STOP of noon that a partner hands in a day later: on that evening nobody knew, today it was so from noon on."""
    late = (unsubscribe("no", HOUR), NOON + DAY)
    log = told(consent(), late)
    assert why(log, known_at=2 * HOUR).allow
    then = why(log, at=2 * HOUR, now=2 * DAY)
    assert then.reasons == ("unsubscribed",)
    assert why(log, at=2 * HOUR, known_at=3 * HOUR).allow
    assert [each.id for each in why(log, known_at=2 * HOUR).events] == ["g1"]


def test_what_had_not_happened_then_does_not_count_though_it_is_known_today(why):
    chain = why(told(consent(), unsubscribe()), at=HOUR // 2)
    assert chain.allow
    assert comes_to(chain, "no") == {("unsubscribed", "later", ())}
    assert chain.list_reasons is None
    assert not chain.events[1].decides
    assert "that had not happened yet" in chain.story[1]


def test_a_consent_does_not_count_before_it_was_given(why):
    chain = why(told(consent()), at=-HOUR)
    assert chain.reasons == ("no_consent",)
    assert comes_to(chain, "g1") == {("grant", "not_yet", ())}


# -- gates and messages


def report(gate="g", offset=1, written=0, **about):
    vector = {0: Point(offset, NOON + written), 1: Point(offset, NOON + written)}
    return GateReport(
        gate=gate, name=gate, host="h", channel="email", list="suppression.email", started=NOON, closing=False,
        written=NOON + written, phase="following", ready=True, trouble=None, generation=0, partitions=4, events=2,
        applied=vector, settled=vector, control=0, entries=1, staleness_limit=1, staleness=0,
    )._replace(**about)  # fmt: skip


def test_gates_that_have_the_deciding_event_say_since_when(why):
    log = told(consent(), unsubscribe())
    reports = [report("a", 0, DAY - 3), report("a", 1, DAY - 2), report("a", 1, DAY), report("b", 0, DAY)]
    first, second = why(log, reports=reports).gates
    assert (first.name, first.state, first.since) == ("a", "reached", NOON + DAY - 2)
    assert (second.name, second.state) == ("b", "behind")
    (then,) = why(log, reports=reports, known_at=DAY - 3).gates
    assert then.state == "behind"


def test_messages_after_the_withdrawal_stand_last_and_say_whether_they_were_late(why):
    log = told(consent(), unsubscribe())
    for number, after in enumerate((HOUR // 2, 2 * HOUR)):
        log.send(SEND._replace(message_id=f"m-{number}", started=NOON + after, ended=NOON + after))
    log.send(SEND._replace(message_id="m-2", started=None, ended=NOON + 3 * HOUR, outcome=HELD_BACK, allow=False))
    early, late, held = why(log).sends
    assert (early.after, early.permitted, early.late_by) == (False, True, None)
    assert (late.after, late.permitted, late.late_by) == (True, False, HOUR - 1_000_000)
    assert (held.after, held.permitted, held.outcome) == (True, None, "held_back")
    log.through = NOON + HOUR
    assert [each.permitted for each in why(log).sends] == [True, None, None]


def test_damaged_records_are_named(why):
    log = told(consent())
    log.write(LEDGER, ANA, b"\xc3\x01 nonsense", NOON)
    (found,) = why(log).damaged
    assert found.topic == "consent.ledger"


def test_no_address_is_in_a_chain(why):
    chain = why(told(consent(contact="c-42"), unsubscribe()), keys=(ANA, CARD))
    assert not {"ana", "c-42"} & set(json.dumps(chain.fields()).replace('"', " ").split())
    assert "@" not in json.dumps(chain.fields())
