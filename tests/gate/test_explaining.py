"""Why a gate answers as it does: every fact that concerns a question, and what it comes to."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question, weigh
from consent_stream.domain.facts import EMAIL, KINDS, Birth, Delivery, Fact, Lift, Void
from consent_stream.domain.nodes import node
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.gate.explaining import explain
from consent_stream.gate.question import Question
from tests.gate.made import ANA, ANAS, RING, SECOND, entry, grant, restriction
from tests.gate.mailer import LIMIT, NOON, Mailer


@pytest.fixture
def mailer():
    return Mailer().get_ready()


def why(mailer, **about):
    asked = Question("acme", **{"email": ANA, "scope": "news", **about})
    told = explain(mailer.checker, asked)
    assert told.verdict == mailer.checker.ask(asked, mailer.checker.moment(settled=asked.contact is None))
    assert set(told.words) == set(told.verdict.reasons)
    assert "ana@" not in repr(told) + json.dumps(told.fields())
    return told


def comes_to(told):
    return {fact.event: fact.comes_to for fact in told.facts}


def test_a_yes_names_the_grant_and_the_key(mailer):
    mailer.rows((ANAS, entry(grant(lo=5))))
    told = why(mailer)
    assert told
    assert [tuple(key) for key in told.keys] == [(ANAS.hex(), "address", True)]
    (fact,) = told.facts
    assert tuple(fact) == ("grant", "marketing:email:news", 5, "g1", "counts", False, 3, 1 << 60)
    assert tuple(told.rules) == (True, "consent", 2, False)
    assert (told.at, told.limit) == (NOON, LIMIT)


def test_every_grant_tells_what_became_of_it(mailer):
    parts = [
        grant(ident="weak", level=0), grant(ident="gone", until=NOON - SECOND), grant(ident="early", lo=NOON + SECOND),
        grant(ident="taken"), Void("grant:/forms#taken", False, 0, "v1", "/forms"),
        grant("other", ident="elsewhere"),
    ]  # fmt: skip
    mailer.rows((ANAS, entry(*parts)))
    told = why(mailer)
    assert comes_to(told) == {"weak": "too_weak", "gone": "expired", "early": "not_yet", "taken": "void"}
    assert told.verdict.reasons == ("expired",)


def test_every_restriction_tells_what_became_of_it(mailer):
    cleared = restriction(ident="cleared", hi=1)
    lifted = restriction("frozen", ident="lifted", purpose="*", channel="*", hi=2)
    lift = Lift("frozen", lifted.node, 3, "l1", "/staff")
    stands = restriction("complaint", ident="stands", hi=4)
    named = grant(lo=3, names=[cleared.node])
    mailer.rows((ANAS, entry(cleared, lifted, lift, stands, named)))
    told = why(mailer)
    assert comes_to(told) == {"cleared": "cleared", "lifted": "lifted", "stands": "stands", "g1": "counts"}
    assert told.verdict.reasons == ("complaint",)


def test_the_base_form_is_told_apart(mailer):
    mailer.rows((ANAS, entry(restriction("complaint"))))
    told = why(mailer, email="ana+x@example.com")
    assert [(key.kind, key.found) for key in told.keys] == [("address", False), ("base", True)]
    assert [(fact.base, fact.comes_to) for fact in told.facts] == [(True, "stands")]


def test_the_contact_is_one_of_the_keys(mailer):
    assert [key.kind for key in why(mailer, contact="c-1").keys] == ["address", "contact"]


def test_a_child_and_a_bounce_are_told_too(mailer):
    mailer.rows((ANAS, entry(grant(), Birth(740_000, False, 5, "b1", "/f"), Delivery(True, 6, "d1", "/f"))))
    assert {("undeliverable", "d1"), ("minor", "b1")} <= {(fact.kind, fact.event) for fact in why(mailer).facts}


def test_an_answer_that_rests_on_no_row_tells_of_none(mailer):
    for about in ({"email": "none"}, {"purpose": "fun"}):
        told = why(mailer, **about)
        assert (told.keys, told.facts, told.rules) == ((), (), None)


def test_a_gate_that_is_stale_tells_what_it_knows(mailer):
    mailer.rows((ANAS, entry(grant(), restriction())))
    mailer.pass_time(LIMIT + 1)
    told = why(mailer)
    assert told.verdict.reasons == ("stale", "unsubscribed")
    assert comes_to(told)["r1"] == "stands"


def test_a_tenant_without_rules_of_its_own_is_named_so():
    assert not why(Mailer({"bravo": {}}).get_ready()).rules.known


SCOPES = st.sampled_from(["*", "news", "news/weekly", "offers"])
INSTANTS = st.integers(1, 12)
PARTS = st.one_of(
    st.builds(lambda kind, scope, hi: restriction(kind, scope, ident=f"r{kind}{scope}{hi}", hi=hi),
              st.sampled_from(sorted(KINDS)), SCOPES, INSTANTS),
    st.builds(lambda scope, level, lo, lasts, name: grant(
                  scope, ident=f"g{scope}{level}{lo}{lasts}", level=level, lo=lo, until=lo + lasts,
                  names=[node("marketing", "email", name)]),
              SCOPES, st.integers(0, 4), INSTANTS, st.integers(1, 12), SCOPES),
    st.builds(lambda kind, scope, lo: Lift(kind, node("marketing", "email", scope), lo, "l", "/s"),
              st.sampled_from(["legal", "frozen", "minor_suspected"]), SCOPES, INSTANTS),
)  # fmt: skip


@given(
    st.lists(PARTS, max_size=12), SCOPES, INSTANTS, st.sampled_from(["marketing", "transactional", "legal_required"])
)
def test_what_stands_is_what_the_decision_says(parts, scope, at, purpose):
    reg = Registers("acme", EMAIL)
    reg.apply(Fact(bytes(19), EMAIL, "acme", "c", "/f", "x", 1, 0, 0, False, tuple(parts)))
    x, views, rules = question(purpose, "email", scope), [View(reg)], Tenant()
    decision = decide(x, at, views, rules, "email")
    weighed = weigh(x, at, views, rules, "email")
    stands = {each.fact.kind for each in weighed if each.comes_to == "stands"}
    assert stands == set(decision.reasons) & set(KINDS)
    counts = [each.fact for each in weighed if each.comes_to == "counts"]
    if purpose == "marketing":
        assert bool(counts) == (not set(decision.reasons) & {"expired", "evidence_too_low", "no_consent"})


def test_the_ring_of_these_tests_is_that_of_the_mailer(mailer):
    assert why(mailer).keys[0].key == RING.subject("acme", "email", ANA).hex()
