"""Late or not: literal instants first, then generated histories against a reading that knows no shortcut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import CONTACT, EMAIL, SMS, Birth, Delivery, Fact, Grant, Lift, Restriction, Void
from consent_stream.domain.nodes import ANY, EVERYTHING, node
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import stands_on
from consent_stream.domain.times import adult_from
from consent_stream.inspection.late import WANTING, Case, course, judge

ADDRESS, BASE, PERSON, OTHER = b"\x01a" + bytes(17), b"\x01ab" + bytes(16), b"\x01c" + bytes(17), b"\x01ax" + bytes(16)
CONSENT, INTEREST = Tenant(), Tenant(basis={"marketing": "legitimate_interest"})
CASE = Case("acme", "email", "marketing", "news", (ADDRESS, PERSON), (BASE,), "email", False)
FAR = 1 << 60


def grant(lo, until=FAR, *, ident="g", level=3, scope="news", names=(), channel="email", purpose="marketing"):
    told = tuple(sorted(names))
    return Grant(lo, ident, "/forms", until, node(purpose, channel, scope), level, told, "n1", "1", "", "", "x")


def no(kind="unsubscribed", hi=0, *, ident="r", scope=ANY, purpose="marketing", channel="email"):
    return Restriction(kind, node(purpose, channel, scope), False, hi, ident, "/forms", "x")


def fact(received, part, *, key=ADDRESS, ident=None, tenant="acme", derived=False):
    channels = CONTACT if key == PERSON else EMAIL
    return Fact(key, channels, tenant, ident or part.id, "/forms", "x", received, 0, 0, derived, (part,))


GRANTED = fact(10, grant(10))
STOPPED = fact(50, no(hi=50))


def judged(at, *facts, rules=CONSENT, case=CASE):
    return judge(course(case, facts, rules, at), at)


def test_before_the_withdrawal_it_was_permitted_and_from_its_instant_on_it_is_late():
    for at, reasons in ((10, ()), (49, ()), (50, ("unsubscribed",)), (170, ("unsubscribed",))):
        found = judged(at, STOPPED, GRANTED)
        assert found.reasons == reasons
        assert found.late == bool(reasons)
    assert (found.kind, found.fact, found.since) == ("unsubscribed", STOPPED, 50)


def test_it_counts_when_kafka_took_the_withdrawal_not_when_it_was_given():
    told_late = fact(100, no(hi=20))
    assert judged(99, GRANTED, told_late).reasons == ()
    assert judged(100, GRANTED, told_late).since == 100


@pytest.mark.parametrize("key", [ADDRESS, PERSON])
def test_a_fact_under_the_contact_counts_from_the_instant_of_its_event(key):
    """Derived facts lie further behind in the ledger, and have the same instant."""
    opt_out = fact(50, no("global_opt_out", 50, channel=ANY), key=key, derived=key == ADDRESS)
    found = judged(60, GRANTED, opt_out)
    assert (found.kind, found.since) == ("global_opt_out", 50)


def test_the_base_form_lends_four_kinds_and_no_other():
    assert judged(60, GRANTED, fact(50, no("complaint", 50), key=BASE)).kind == "complaint"
    assert not judged(60, GRANTED, fact(50, no(hi=50), key=BASE)).reasons


def test_facts_of_another_key_or_tenant_do_not_count():
    assert not judged(60, GRANTED, STOPPED._replace(key=OTHER), STOPPED._replace(tenant="umbrella")).reasons


def test_a_second_withdrawal_makes_it_no_less_late():
    found = judged(90, GRANTED, STOPPED, fact(80, no("objected", 80, channel=ANY), ident="o"))
    assert (found.reasons, found.kind, found.since) == (("objected", "unsubscribed"), "unsubscribed", 50)


def test_a_yes_in_between_begins_anew():
    again = fact(60, grant(60, ident="g2", names=(node("marketing", "email", ANY),)))
    assert not judged(65, GRANTED, STOPPED, again).reasons
    found = judged(90, GRANTED, STOPPED, again, fact(80, no(hi=80, ident="r2")))
    assert (found.fact.id, found.since) == ("r2", 80)


def test_when_the_grant_that_cleared_a_withdrawal_ends_no_fact_makes_it_late():
    again = fact(60, grant(60, 70, ident="g2", names=(node("marketing", "email", ANY),)))
    found = judged(75, GRANTED, STOPPED, again)
    assert found.reasons == ("unsubscribed",)
    assert not found.late


def test_without_any_permission_it_is_not_late_but_without_permission():
    for at, facts, reasons in (
        (60, (), ("no_consent",)),
        (60, (fact(10, grant(10, 20)),), ("expired",)),
        (5, (GRANTED,), ("no_consent",)),
        (60, (fact(10, grant(10, level=1)),), ("evidence_too_low",)),
    ):
        found = judged(at, *facts)
        assert (found.reasons, found.late) == (reasons, False)


def test_who_was_never_permitted_and_then_said_no_was_mailed_after_that_no():
    found = judged(60, STOPPED)
    assert (found.reasons, found.kind, found.since) == (("unsubscribed", "no_consent"), "unsubscribed", 50)


def test_a_no_after_the_permission_had_expired_is_what_it_is_late_by():
    found = judged(60, fact(10, grant(10, 20)), STOPPED)
    assert (found.kind, found.since) == ("unsubscribed", 50)


def test_a_restriction_that_is_over_is_not_what_it_is_late_by():
    """Never permitted; a bounce came and went."""
    bounce, delivery = fact(20, Delivery(True, 20, "b", "/mta")), fact(30, Delivery(False, 30, "d", "/mta"))
    assert judged(25, bounce, delivery).kind == "undeliverable"
    assert not judged(40, bounce, delivery).late


def test_a_grant_that_is_taken_out_of_counting_is_a_withdrawal():
    void = fact(50, Void("grant:/forms#g", False, 0, "v", "/desk"))
    found = judged(60, GRANTED, void)
    assert (found.reasons, found.kind, found.fact.id, found.since) == (("no_consent",), "no_consent", "v", 50)


def test_where_no_consent_is_needed_a_withdrawal_still_counts():
    assert not judged(60, rules=INTEREST).reasons
    assert judged(60, STOPPED, rules=INTEREST).since == 50


def test_a_child_is_late_from_the_birth_date_on_and_an_adult_by_no_fact():
    born = 733_774
    adult = adult_from(born)
    birth = fact(adult - 100, Birth(born, False, adult - 100, "b", "/desk"))
    granted = fact(adult - 200, grant(adult - 200))
    assert judged(adult - 50, granted, birth).since == adult - 100
    found = judged(adult + 50, granted, birth)  # the grants of a child stay void
    assert (found.reasons, found.since) == (("no_consent",), adult - 100)


def test_a_fact_that_arrives_in_the_instant_of_an_expiry_did_not_cause_it():
    other = fact(50, grant(50, ident="g2", scope="offers"))
    found = judged(60, fact(10, grant(10, 50)), other)
    assert (found.reasons, found.late) == (("expired",), False)
    assert judged(60, fact(10, grant(10, 50)), STOPPED).since == 50


@pytest.mark.parametrize(
    ("first", "answer"),
    [
        (no("legal", 20, purpose=ANY, channel=ANY), Lift("legal", EVERYTHING, 40, "l", "/desk")),
        (Delivery(True, 20, "b", "/mta"), Delivery(False, 40, "d", "/mta")),
        (no(hi=20), grant(40, ident="g2", names=(node("marketing", "email", ANY),))),
    ],
)
def test_what_counts_from_a_later_instant_on_ends_a_denial_there(first, answer):
    facts = (GRANTED, fact(20, first), fact(30, answer))
    assert judged(39, *facts).since == 20
    assert not judged(45, *facts).reasons
    assert judged(60, *facts, fact(50, no("objected", 50, channel=ANY), ident="o")).since == 50


def test_two_facts_of_one_instant_name_the_one_that_forbids():
    found = judged(60, GRANTED, fact(50, no(hi=50)), fact(50, grant(50, ident="z", scope="offers")))
    assert found.fact.id == "r"


def test_a_bare_key_that_nobody_knows_is_no_permission():
    bare = CASE._replace(keys=(ADDRESS,), bases=(), bare=True)
    assert judged(60, case=bare, rules=INTEREST).reasons == ("no_consent",)
    assert not judged(60, GRANTED, case=bare, rules=INTEREST).reasons


def test_a_question_that_has_no_answer_is_without_permission():
    assert judged(60, GRANTED, case=CASE._replace(keys=())).reasons == ("bad_address",)
    assert judged(60, GRANTED, case=CASE._replace(purpose="gossip")).reasons == ("unknown_purpose",)
    assert judged(60, GRANTED, case=CASE._replace(channel="sharing")).reasons == ("unknown_purpose",)


def test_a_bare_key_on_the_sharing_list_is_read_as_the_gate_reads_it():
    shared = Case("acme", "sharing", "sharing", "partners", (ADDRESS,), (), "", True)
    given_ = fact(10, grant(10, purpose="sharing", channel=ANY, scope="partners"))
    moved = Fact(ADDRESS, SMS, "acme", "m", "/forms", "x", 50, 0, 0, False, (
        Restriction("reassigned", node("sharing", ANY, ANY), False, 50, "m", "/forms", "x"),
    ))  # fmt: skip
    assert not judged(40, given_, case=shared).reasons
    assert judged(60, given_, moved, case=shared).kind == "reassigned"


# -- generated

BORN = 733_774
T0 = adult_from(BORN) - 30  # so that a coming of age lies within the histories
TICKS = st.integers(T0, T0 + 60)
IDS = st.sampled_from(["a", "b", "c", "d"])
NEWS, ALL, EVERY = node("marketing", "email", "news"), node("marketing", "email", ANY), node("marketing", ANY, ANY)
SOME_NODES = st.sampled_from([NEWS, ALL, EVERY, EVERYTHING])
PARTS = st.one_of(
    st.builds(Restriction, st.sampled_from(["unsubscribed", "topic_opt_out", "legal", "erased", "complaint"]),
              SOME_NODES, st.just(False), TICKS, IDS, st.just("/s"), st.just("x")),
    st.builds(lambda lo, until, ident, level, names: grant(lo, until, ident=ident, level=level, names=names),
              TICKS, TICKS | st.just(FAR), IDS, st.integers(1, 4), st.sampled_from([(), (ALL,), (ALL, EVERYTHING)])),
    st.builds(Lift, st.just("legal"), SOME_NODES, TICKS, IDS, st.just("/s")),
    st.builds(Lift, st.just("minor"), st.just(EVERYTHING), TICKS, IDS, st.just("/s")),
    st.builds(Void, st.builds("grant:/forms#{}".format, IDS), st.just(False), st.just(0), IDS, st.just("/s")),
    st.builds(Birth, st.just(BORN), st.just(False), TICKS, IDS, st.just("/s")),
    st.builds(Delivery, st.booleans(), TICKS, IDS, st.just("/s")),
)  # fmt: skip
FACTS = st.builds(
    lambda received, part, key, number: fact(received, part, key=key, ident=f"e{number}"),
    TICKS, PARTS, st.sampled_from([ADDRESS, ADDRESS, PERSON, BASE]), st.integers(0, 1 << 30),
)  # fmt: skip
RULES = st.sampled_from([CONSENT, INTEREST, Tenant(allow_migrated=True)])


def answer_at(case, facts, rules, at):
    """From nothing: fold what was received by then, decide."""
    registers = {}
    for each in facts:
        if each.received <= at:
            registers.setdefault(each.key, Registers("acme")).apply(each)
    views = [View(reg, key in case.bases) for key, reg in registers.items()]
    found = decide(question(case.purpose, "email", case.scope), at, views, rules, "email").reasons
    listed = any(stands_on("email", reg) for key, reg in registers.items() if key in case.keys)
    return found or (("no_consent",) if case.bare and not listed else ())


@settings(max_examples=400, deadline=None)
@given(st.lists(FACTS, max_size=7), RULES, TICKS, st.booleans())
def test_it_says_what_a_look_at_every_single_instant_says(facts, rules, at, bare):
    case = CASE._replace(bare=bare)
    found = judged(at, *facts, rules=rules, case=case)
    start = T0 - 1
    answers = {t: answer_at(case, facts, rules, t) for t in range(start, at + 1)}
    assert found.reasons == answers[at]
    denied = at + 1
    while denied > start and answers[denied - 1]:
        denied -= 1
    arrivals = {each.received for each in facts}
    if denied > at:
        assert not found.late
        return
    # (A fact that arrives while it is denied anyway does not begin the denial; the instant before tells.)
    until_then = [each for each in facts if each.received < denied]
    begun_by_fact = denied > start and denied in arrivals and not answer_at(case, until_then, rules, denied)
    if not begun_by_fact:
        while denied <= at and not all(set(answers[t]) - WANTING for t in range(denied, at + 1)):
            denied += 1
    if denied > at or denied not in arrivals:
        assert not found.late
    else:
        assert (found.since, found.fact.received) == (denied, denied)
        assert found.fact in facts
        assert found.kind in answers[denied]


@settings(max_examples=200, deadline=None)
@given(st.lists(FACTS, max_size=7), RULES, st.lists(TICKS, min_size=1, max_size=5), st.randoms())
def test_one_course_judges_all_messages_of_a_case_whatever_the_order_of_its_facts(facts, rules, instants, random):
    steps = course(CASE, facts, rules, max(instants))
    shuffled = random.sample(facts, len(facts))
    for at in instants:
        alone = judged(at, *shuffled, rules=rules)
        found = judge(steps, at)
        assert (found.reasons, found.since, found.late) == (alone.reasons, alone.since, alone.late)
        (*_, last) = course(CASE, shuffled, rules, at, at)
        assert last.reasons == found.reasons
