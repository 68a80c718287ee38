"""Why says what a check says, what the records of the lists say, and what `late` says: on generated histories."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent_stream.domain.addresses import base_form
from consent_stream.domain.facts import CONTACT, EMAIL, Lift
from consent_stream.domain.nodes import ANY, EVERYTHING
from consent_stream.domain.policy import Policy, read_policy
from consent_stream.domain.times import parse_instant
from consent_stream.inspection.history import History, Place, Placed
from consent_stream.inspection.late import course
from consent_stream.inspection.why import explain_chain
from consent_stream.wire.state import decode_registers
from tests.inspection.log import Log
from tests.inspection.test_late import CASE, CONSENT, FACTS, RULES, T0, TICKS, answer_at, fact, no
from tests.laws.harness import World, key_of
from tests.laws.histories import EMAILS, POLICY, SCOPES, picker, rfc3339, seeded

LAWS = read_policy(POLICY)
LATE = parse_instant(rfc3339(20 * 86_400_000_000))


@settings(max_examples=200, deadline=None)
@given(st.lists(FACTS, max_size=7), RULES, TICKS, st.booleans())
def test_what_was_known_at_an_instant_is_what_late_says_of_it(facts, rules, at, bare):
    case = CASE._replace(bare=bare)
    history = History((*case.keys, *case.bases), 0, Policy({"acme": rules}), T0 + 1000)
    history.facts = [Placed(Place(0, number, each.received), each) for number, each in enumerate(facts)]
    chain = explain_chain(history, case, now=T0 + 100, known_at=at)
    step = course(case, facts, rules, at, at)[-1]
    assert (chain.reasons, chain.deciding) == (step.reasons, step.behind)
    assert chain.reasons == answer_at(case, facts, rules, at)
    told = {
        part.kind for each in chain.events for fact in each.facts for part in fact.parts if part.comes_to == "stands"
    }
    named = {"minor": "birth", "undeliverable": "bounce"}
    grounds = {named.get(reason, reason) for reason in chain.reasons} - {"expired", "evidence_too_low", "no_consent"}
    assert told == grounds, "what stands, and nothing else, is what forbids"


@settings(max_examples=100, deadline=None)
@given(st.lists(FACTS, max_size=7), RULES, TICKS)
def test_each_event_is_told_by_what_was_known_before_it_and_with_it(facts, rules, at):
    history = History((*CASE.keys, *CASE.bases), 0, Policy({"acme": rules}), T0 + 1000)
    spread = [each._replace(partition=0, offset=number) for number, each in enumerate(facts)]
    history.facts = [Placed(Place(0, number, each.received), each) for number, each in enumerate(spread)]
    for event in explain_chain(history, CASE, now=T0 + 100, known_at=at).events:
        assert event.after == answer_at(CASE, facts, rules, event.received)
        earlier = [each for each in facts if each.received < event.received]
        answers = {answer_at(CASE, earlier, rules, t) for t in range(event.received - 61, event.received + 1)}
        assert event.before in answers


LIFTED = [
    fact(T0, no("legal", T0, ident="a", purpose=ANY, channel=ANY)),
    fact(T0 + 9, Lift("legal", EVERYTHING, T0 + 8, "b", "/desk")),
    fact(T0 + 9, Lift("legal", EVERYTHING, T0 + 9, "c", "/desk")),
]


@settings(max_examples=300, deadline=None)
@example(facts=LIFTED, rules=CONSENT, at=T0 + 10)
@given(st.lists(FACTS, max_size=4, unique_by=lambda each: each.parts[0].id), RULES, TICKS)
def test_what_took_a_part_back_is_named_each_is_enough_and_without_them_it_is_not_taken_back(facts, rules, at):
    facts = [each._replace(id=each.parts[0].id, offset=number) for number, each in enumerate(facts)]
    for part in parts(facts, rules, at):
        if part.comes_to in ("lifted", "cleared", "void"):
            assert part.by
            for one in part.by:
                assert part.comes_to == alike(part, without(facts, {*part.by} - {one}), rules, at)
            others = {each.id for each in facts if isinstance(each.parts[0], Lift)} if part.comes_to == "lifted" else ()
            assert part.comes_to != alike(part, without(facts, {*part.by, *others}), rules, at)


def without(facts, ids):
    return [each for each in facts if each.id not in ids]


def alike(part, facts, rules, at):
    """What the same part comes to by other facts."""
    (found,) = [each for each in parts(facts, rules, at) if (each.kind, each.after) == (part.kind, part.after)]
    return found.comes_to


def parts(facts, rules, at):
    history = History((*CASE.keys, *CASE.bases), 0, Policy({"acme": rules}), T0 + 1000)
    history.facts = [Placed(Place(0, each.offset, each.received), each) for each in facts]
    chain = explain_chain(history, CASE, now=T0 + 100, known_at=at)
    return [part for event in chain.events for fact in event.facts for part in fact.parts]


def questions(tenant):
    return [(tenant, email, scope, purpose) for email in EMAILS[:2] for scope in SCOPES[:3]
            for purpose in ("marketing", "transactional")]  # fmt: skip


@pytest.fixture(scope="module")
def seeds() -> Iterable[int]:
    return range(400)


def test_now_it_is_what_the_rules_say_of_all_that_was_heard_and_what_the_lists_say(seeds, monkeypatch):
    """Events of every sort through intake and state, in the order in which they were received."""
    asked = denied = 0
    for seed in seeds:
        history = seeded(seed, picker(seed)(range(1, 12)), ["acme", "globex"])
        history.sort(key=lambda arrival: parse_instant(arrival["received"]))
        world, log = World(POLICY), Log(LAWS)
        for number, arrival in enumerate(history):
            received = parse_instant(arrival["received"])
            world.hear(arrival["event"], received, (number % 2, number // 2))
            log.add(arrival["event"], received)
        for tenant, email, scope, purpose in questions("acme" if seed % 2 else "globex"):
            form = base_form(email)
            bases = (key_of(tenant, "email", form),) if form != email else ()
            keys = (key_of(tenant, "email", email), key_of(tenant, "contact", "c-1"))
            case = CASE._replace(tenant=tenant, purpose=purpose, scope=scope, keys=keys, bases=bases)
            chain = explain_chain(log.history(monkeypatch, *keys, *bases), case, now=LATE)
            about = {"tenant": tenant, "email": email, "contact": "c-1", "scope": scope, "purpose": purpose}
            expected = tuple(world.reasons({**about, "at": rfc3339(20 * 86_400_000_000)}))
            assert chain.reasons == expected, f"seed {seed}: {about}"
            known = [log.rows[key] for key in (*keys, *bases) if key in log.rows]
            if all(decode_registers(row).channels & (EMAIL | CONTACT) for row in known):
                assert chain.list_reasons == expected, f"seed {seed}: {about}, by the lists"
            else:  # somebody named the key of a mailbox in hex, as a phone's: it stands on the list of texts alone
                assert (chain.list_reasons == expected) == (not any("records of the list" in c for c in chain.cautions))
            assert chain.allow == (not expected)
            assert not chain.damaged
            asked, denied = asked + 1, denied + bool(expected)
    assert 0 < denied < asked
