"""Which quarantined records may be somebody's "no": every doubt is one, a refused permission is none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.events import CODES
from consent_stream.domain.permissions import PERMISSIONS
from consent_stream.domain.restrictions import RESTRICTIONS
from consent_stream.wire.records import MAX_BATCH, MAX_VALUE
from consent_stream.wire.withdrawals import may_be_withdrawal
from tests.topology.made_up import ANA, event, granted, take


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def of_type(kind: str, **data: Any) -> dict[str, Any]:
    return {**event("x", **(data or ANA)), "type": kind}


NO = {
    "more than is read": b"x" * (MAX_VALUE + 1),
    "broken JSON of an unsubscribe": orjson.dumps(event())[:-1],
    "a form": b"email=ana%40example.com&action=un_subscribe&optout=1",
    "words": b"STOP writing to me",
    "UTF-16": "please unsubscribe me".encode("utf-16"),
    "no text at all": b"\x1f\x8b\x08\x00" + b"\xff" * 20,
    "Avro of an unknown schema": b"\xc3\x01" + b"\xfe" * 40,
    "too long a batch of them": orjson.dumps([event()] * (MAX_BATCH + 1)),
    "no tenant": orjson.dumps(without(event(), "tenant")),
    "no subject": orjson.dumps(event(channel="email")),
    "no type, and the word elsewhere": orjson.dumps(without(event(reason="opt-out"), "type")),
    "an unknown type": orjson.dumps(of_type("org.acme.user.unsubscribe_all")),
    "an unknown type that says it in its data": orjson.dumps(of_type("profile.updated", marketing="withdrawn")),
    "one of a batch": orjson.dumps([granted(), without(event(), "tenant")]),
    "an odd choice": orjson.dumps(event("preference.set", **ANA, topics={"news": "no"})),
    "a list of choices": orjson.dumps(event("preference.set", **ANA, topics=["news"])),
    "a no without a subject": orjson.dumps(event("preference.set", topics={"news": False})),
    "a row of another status": orjson.dumps(event("import.row", **ANA, status="unsub")),
    "a void that is none": orjson.dumps(event("consent.invalidated", **ANA, voids=["everything"])),
    "a STOP from nowhere": orjson.dumps(event("sms.inbound", text="stop")),
    "an erasure without a tenant": orjson.dumps(without(event("subject.erasure_ordered"), "tenant")),
    "nested too deeply, with the word": b'{"unsubscribe":' * 20_000,
}
NONE = {
    "nothing": b"",
    "null": None,
    "broken JSON of a grant": orjson.dumps(granted())[:-1],
    "a grant from an unknown source": orjson.dumps({**granted(), "source": "/rogue"}),
    "a grant without a notice": orjson.dumps(granted(notice=None)),
    "a grant of another version": orjson.dumps({**granted(), "type": "consent.granted.v2"}),
    "a yes without a subject": orjson.dumps(event("preference.set", topics={"news": True})),
    "a choice of which the no is applied": orjson.dumps(event("preference.set", **ANA, topics={"a": False, "b": True})),
    "weather": orjson.dumps(of_type("weather.changed", text="rain until noon")),
    "a bounce without an address": orjson.dumps(event("delivery.bounced", status="5.1.1")),
    "a START from nowhere": orjson.dumps(event("sms.inbound", text="start")),
    "an imported yes without an address": orjson.dumps(event("import.row", status="subscribed")),
    "a lift by one person": orjson.dumps(event("admin.lift", **ANA, node="*:*:*", kind="legal", approved_by=["kim"])),
    "a number": b"17",
}


def code_of(value: bytes | None) -> str:
    refusal = take(value).refusal
    return refusal.code if refusal else "not_cloudevent"


@pytest.mark.parametrize("value", NO.values(), ids=NO)
def test_a_doubt_is_a_no(value: bytes) -> None:
    assert may_be_withdrawal(code_of(value), "intake", value)


@pytest.mark.parametrize("value", NONE.values(), ids=NONE)
def test_what_says_no_no_is_none(value: bytes | None) -> None:
    assert not may_be_withdrawal(code_of(value), "intake", value)


def test_a_fact_that_cannot_be_read_may_be_one() -> None:
    assert may_be_withdrawal("bad_avro", "state", b"\xc3\x01")
    assert may_be_withdrawal("?", "?", b"")


def test_only_the_refused_events_of_a_batch_are_looked_at() -> None:
    value = orjson.dumps([event(), {**granted(), "source": "/rogue"}, without(event(), "tenant")])
    assert not may_be_withdrawal("unknown_source", "intake", value, (1,))
    assert may_be_withdrawal("no_tenant", "intake", value, (1, 2))
    assert may_be_withdrawal("no_tenant", "intake", value, (9,))  # indices that cannot be: all of them


@pytest.mark.parametrize("kind", [each for each in RESTRICTIONS if each != "delivery.bounced"])
def test_every_restriction_that_was_not_applied_is_one(kind: str) -> None:
    """Without a subject nothing of it is applied; what it says is a "no", where it is not plainly a yes."""
    data = {"topics": {"news": False}, "text": "stop", "status": "unsubscribed", "voids": ["batch:b"], "headers": ["1"]}
    assert may_be_withdrawal("no_subject", "intake", orjson.dumps(event(kind, **data)))


@pytest.mark.parametrize("kind", PERMISSIONS)
def test_no_permission_is_one(kind: str) -> None:
    assert not may_be_withdrawal("no_subject", "intake", orjson.dumps(event(kind, channel="email", reason="stop")))


FIELDS = st.sampled_from(["type", "data", "topics", "x"])
COUNTED = {"unknown_restriction", "text_without_effect"}  # applied as something else, or as nothing
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from([event(), granted()]),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(FIELDS, each),
        max_leaves=6,
    ).map(lambda value: orjson.dumps(value)),
)


@given(st.sampled_from(CODES), VALUES, st.sets(st.integers(0, 3)))
def test_it_never_raises(code: str, value: bytes | None, events: set[int]) -> None:
    may_be_withdrawal(code, "intake", value, events)


@given(VALUES)
def test_what_the_intake_takes_whole_is_never_asked_about_as_one(value: bytes | None) -> None:
    """A record of which all is applied says nothing that is not applied."""
    taken = take(value)
    if (
        taken.refusal is None
        and "unknown_restriction" not in taken.counts
        and "text_without_effect" not in taken.counts
    ):
        assert not may_be_withdrawal("bad_value", "intake", value)
