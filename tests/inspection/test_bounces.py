"""Undoing bounces: what is selected, what it comes to, and what is never touched."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.clearing import undeliverable
from consent_stream.domain.facts import EMAIL, Delivery, Fact
from consent_stream.domain.permissions import PERMISSIONS
from consent_stream.domain.policy import read_policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.restrictions import RESTRICTIONS
from consent_stream.inspection.bounces import (
    FEW,
    UNKNOWN,
    Course,
    Found,
    Said,
    Signed,
    Wanted,
    add_other,
    bounces_in,
    counts,
    domain_of,
    event_of,
    fate_of,
    is_selected,
    undo_event,
)
from consent_stream.topology.intake import take_in
from tests.topology.made_up import ANA, KEYS, NOON, NOTICE, event

S = 1_000_000
HOUR = 3600 * S
SOURCE = {"max_evidence": "E4", "tenants": ["*"]}
POLICY = read_policy({
    "tenants": {"acme": {"sms_program": "deals", "sms_notice": NOTICE}},
    "sources": {
        "/edge": {"clock": "ours", **SOURCE},
        "/mta": {"clock": "ours", **SOURCE},
        "/esp": {"clock": "signed", **SOURCE},
        "/slow": {"clock": "undated", **SOURCE},
        "/ops": {"clock": "ours", **SOURCE},
        "/signed-ops": {"clock": "signed", **SOURCE},
    },
    "notices": {"acme": [{**NOTICE, "sha256": "00", "effective": "2026-01-01T00:00:00Z",
                          "purposes": ["marketing", "sharing", "transactional"]}]},
})  # fmt: skip
ALL = Wanted("acme", NOON - HOUR, NOON + HOUR)
SIGNED = Signed("/ops", "ours", ("kim", "lee"), "outage of the provider")
KEY = KEYS.subject("acme", "email", "ana@example.com")


def at(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat().replace("+00:00", "Z")


def facts(value: bytes, received: int = NOON, place: tuple[int, int] = (0, 0)) -> list[Fact]:
    return take_in(value, received, place, POLICY, KEYS.subject).facts


def bounce(instant: int, source: str = "/mta", ident: str = "b", status: str = "5.1.1", **data: Any) -> bytes:
    told = {**event("delivery.bounced", ident, **{**ANA, "status": status, **data}), "source": source}
    return orjson.dumps({**told, "time": at(instant)})


def delivered(instant: int, ident: str = "d") -> bytes:
    return orjson.dumps({**event("delivery.succeeded", ident, **ANA), "source": "/mta", "time": at(instant)})


@pytest.mark.parametrize("kind", sorted({*RESTRICTIONS, *PERMISSIONS} - {"delivery.bounced"}))
def test_no_fact_of_another_type_is_ever_selected(kind: str) -> None:
    data: dict[str, Any] = {
        **ANA, "contact": "c-1", "phone": "+12015550123", "scope": "news", "evidence": "E4", "notice": NOTICE,
        "topics": {"news": False, "deals": True}, "text": "stop", "status": "bounced", "date": "2026-03-01",
        "voids": ["batch:b"], "headers": ["1"], "sections": {"us": {"SaleOptOut": 1}}, "birth_date": "2015-03-01",
        "node": "*:*:*", "kind": "legal", "approved_by": ["kim", "lee"],
    }  # fmt: skip
    found = facts(orjson.dumps(event(kind, "x", **data)))
    if kind == "sms.inbound":
        found += facts(orjson.dumps(event(kind, "x", phone="+12015550123", text="start")))
    assert found
    for fact in found:
        told = {event_of(fact): Said("5.1.1", "example.com")}
        assert not is_selected(fact, ALL, told)
        assert not is_selected(fact, ALL._replace(statuses=("5.1.1",)), told)


def test_what_is_asked_is_what_is_selected() -> None:
    (fact,) = facts(bounce(NOON), NOON)
    told = bounces_in(bounce(NOON), (0, 0))
    assert told == {(0, 0, "/mta", "b"): Said("5.1.1", "example.com")}
    yes = (
        ALL,
        ALL._replace(sources=("/mta", "/esp")),
        ALL._replace(statuses=("5.1.1",)),
        ALL._replace(domains=("example.com",), statuses=("5.1.1",)),
        ALL._replace(since=NOON, until=NOON + 1),
    )
    no = (
        ALL._replace(tenant="globex"),
        ALL._replace(sources=("/esp",)),
        ALL._replace(statuses=("5.1.2",)),
        ALL._replace(domains=("example.org",)),
        ALL._replace(until=NOON),
        ALL._replace(since=NOON + 1),
    )
    assert [each for each in yes if not is_selected(fact, each, told)] == []
    assert [each for each in no if is_selected(fact, each, told)] == []
    assert not is_selected(fact, ALL._replace(statuses=("5.1.1",)), {})  # its event is gone


def test_a_soft_bounce_is_none() -> None:
    assert [fact for fact in facts(bounce(NOON, status="4.2.2")) if is_selected(fact, ALL, None)] == []


def test_what_events_say_of_their_bounces() -> None:
    batch = orjson.dumps([
        orjson.loads(bounce(NOON, ident="b1")),
        orjson.loads(bounce(NOON, ident="b2", status="5.1.10", email="Bo@BÜCHER.example")),
        orjson.loads(bounce(NOON, ident="twice")),
        orjson.loads(bounce(NOON, ident="twice", status="5.1.2")),
        event(), 17, {"type": "delivery.bounced.v1"},
        {"type": "delivery.bounced.v1", "data": {"status": "ana@example.com"}},
    ])  # fmt: skip
    assert bounces_in(batch, (3, 9)) == {
        (3, 9, "/mta", "b1"): Said("5.1.1", "example.com"),
        (3, 9, "/mta", "b2"): Said("5.1.10", "xn--bcher-kva.example"),
        (3, 9, "/mta", "twice"): Said(UNKNOWN, UNKNOWN),
        (3, 9, "", ""): Said(UNKNOWN, UNKNOWN),
    }
    assert bounces_in(b"delivery.bounced", (0, 0)) == {}
    assert (domain_of("BÜCHER.example"), domain_of("not a domain")) == ("xn--bcher-kva.example", None)


def course_of(selected: list[bytes], others: list[tuple[bytes, int]], received: int = NOON) -> Course:
    parts = [part for value in selected for fact in facts(value, received) for part in fact.parts]
    course = Course(EMAIL, max(part for part in parts if isinstance(part, Delivery)))
    for value, when in others:
        for fact in facts(value, when):
            add_other(course, fact)
    return course


def folded(values: list[tuple[bytes, int]]) -> Registers:
    reg = Registers("acme", EMAIL)
    for value, received in values:
        for fact in facts(value, received):
            reg.apply(fact)
    return reg


SOURCES = st.sampled_from(["/mta", "/esp", "/slow"])
TIMES = st.integers(-50, 50).map(lambda minutes: NOON + minutes * 60 * S)
BOUNCES = st.lists(st.tuples(TIMES, SOURCES), min_size=1, max_size=4)


@given(
    BOUNCES,
    BOUNCES | st.just([]),
    st.lists(TIMES, max_size=2),
    st.sampled_from([SIGNED, Signed("/signed-ops", "signed", ("kim",), "r")]),
)
def test_undoing_makes_up_for_the_selected_bounces_and_for_no_other(
    selected: list[tuple[int, str]], others: list[tuple[int, str]], deliveries: list[int], signed: Signed
) -> None:
    """What becomes deliverable is what would be if the selected bounces had never been; the rest stays as it is."""
    now = NOON + 2 * HOUR
    false = [(bounce(when, source, f"f{n}"), when) for n, (when, source) in enumerate(selected)]
    true = [(bounce(when, source, f"t{n}"), when) for n, (when, source) in enumerate(others)]
    went = [(delivered(when, f"d{n}"), when) for n, when in enumerate(deliveries)]
    parts = [part for value, when in false for fact in facts(value, when) for part in fact.parts]
    course = Course(EMAIL, max(part for part in parts if isinstance(part, Delivery)))
    for value, when in true + went:
        for fact in facts(value, when):
            add_other(course, fact)
    fate = fate_of(course, now)
    before, without = folded(false + true + went), folded(true + went)
    assert (fate == "already") == (not undeliverable(before, now))
    if fate == "deliverable":
        undo = (undo_event(KEY, course, "acme", signed), now)
        assert not undeliverable(folded(false + true + went + [undo]), now)
        assert not undeliverable(without, now)
        again = (bounce(course.selected.time + 2 * S, ident="again"), now)
        assert undeliverable(folded(false + true + went + [undo, again]), now)
        assert undeliverable(folded([undo, again, *false]), now)
    elif fate == "otherwise":
        assert undeliverable(without, now)


def test_a_bounce_of_the_same_instant_as_the_delivery_wins() -> None:
    course = course_of([bounce(NOON)], [])
    undo = undo_event(KEY, course, "acme", SIGNED)
    (made_up,) = (part for fact in facts(undo, NOON + HOUR) for part in fact.parts if isinstance(part, Delivery))
    assert made_up.time == course.selected.time + 1
    same = bounce(made_up.time - S)  # its hi is a second later
    assert undeliverable(folded([(bounce(NOON), NOON), (undo, NOON + HOUR), (same, NOON + HOUR)]), NOON + HOUR)


def test_what_cannot_be_undone_yet() -> None:
    course = course_of([bounce(NOON)], [])
    assert fate_of(course, NOON + 30 * S) == "not_yet"
    assert fate_of(course, NOON + 62 * S) == "deliverable"


def test_an_older_bounce_is_not_undone_with_it() -> None:
    old = (bounce(NOON - 24 * HOUR, ident="old"), NOON - 24 * HOUR)
    assert fate_of(course_of([bounce(NOON)], [old]), NOON + HOUR) == "otherwise"
    between = (delivered(NOON - HOUR), NOON - HOUR)
    assert fate_of(course_of([bounce(NOON)], [old, between]), NOON + HOUR) == "deliverable"


def test_the_event_is_the_same_each_time_and_names_nobody() -> None:
    course = course_of([bounce(NOON)], [])
    told = undo_event(KEY, course, "acme", SIGNED)
    assert told == undo_event(KEY, course_of([bounce(NOON)], []), "acme", SIGNED)
    assert b"example.com" not in told
    found = orjson.loads(told)
    assert found["data"]["approved_by"] == ["kim", "lee"]
    assert found["data"]["undoes"] == {"type": "delivery.bounced", "source": "/mta", "id": "b"}
    assert found["time"] == "2026-03-01T12:00:01.000001Z"
    (fact,) = facts(told, NOON + HOUR)
    assert (fact.key, fact.channels) == (KEY, EMAIL)


def test_the_domain_of_few_is_named_to_whom_named_it_alone() -> None:
    found = Found(
        selected=Counter(
            {("/mta", "example.com", "5.1.1"): 9, ("/mta", "ana.example", "5.1.1"): 7, ("/mta", UNKNOWN, ""): 1}
        ),
        domains=Counter({"example.com": 5, "ana.example": 4, UNKNOWN: 1}),
    )
    assert counts(found, ALL) == [
        (("/mta", "example.com", "5.1.1"), 9), (("/mta", FEW, "5.1.1"), 7), (("/mta", UNKNOWN, ""), 1),
    ]  # fmt: skip
    asked = counts(found, ALL._replace(domains=("ana.example",)))
    assert (("/mta", "ana.example", "5.1.1"), 7) in asked


def test_it_lifts_nothing_that_a_person_said() -> None:
    """A complaint and an unsubscribe stand as before."""
    no = [(orjson.dumps(event("feedback.complaint", "c")), NOON), (orjson.dumps(event()), NOON)]
    course = course_of([bounce(NOON)], [])
    undo = (undo_event(KEY, course, "acme", SIGNED), NOON + HOUR)
    assert folded([(bounce(NOON), NOON), *no, undo]).restrictions == folded(no).restrictions
