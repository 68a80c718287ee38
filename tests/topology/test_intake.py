"""The intake stage, one record at a time: what becomes facts, what goes to quarantine and under which code."""

from __future__ import annotations

import orjson
import pytest

from consent_stream.domain.facts import Grant, Restriction
from consent_stream.wire.avro import long, text
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.records import MAX_BATCH, MAX_VALUE, error_headers
from tests.topology.made_up import ANA, KEYS, NOON, event, granted, take

ANAS_KEY = KEYS.subject("acme", "email", "ana@example.com")


def without(found: dict, *names: str) -> dict:
    return {name: value for name, value in found.items() if name not in names}


REFUSED = {
    "null": (None, "not_cloudevent"),
    "empty": (b"", "not_cloudevent"),
    "not JSON": (b"unsubscribe ana please", "not_cloudevent"),
    "half JSON": (orjson.dumps(event())[:-1], "not_cloudevent"),
    "no UTF-8": (b'{"id":"\xff\xfe"}', "not_cloudevent"),
    "a lone surrogate": (b'{"id":"\\ud800"}', "not_cloudevent"),
    "a number": (b"17", "not_cloudevent"),
    "nested too deeply": (b'{"data":' * 20_000, "not_cloudevent"),
    "arrays nested too deeply": (b"[" * 200_000 + b"]" * 50_000, "not_cloudevent"),
    "an empty batch": (b"[]", "not_cloudevent"),
    "too long a batch": (orjson.dumps([event()] * (MAX_BATCH + 1)), "not_cloudevent"),
    "registry framing": (b"\x00\x00\x00\x00\x07abc", "not_cloudevent"),
    "Avro of an unknown schema": (b"\xc3\x01" + bytes(40), "not_cloudevent"),
    "one byte too large": (b'"' + b"x" * (MAX_VALUE - 1) + b'"', "too_large"),
    "a megabyte": (b"x" * (1 << 20), "too_large"),
    "no type": (orjson.dumps(without(event(), "type")), "not_cloudevent"),
    "a grant without id": (orjson.dumps(without(granted(), "id")), "not_cloudevent"),
    "no tenant": (orjson.dumps(without(event(), "tenant")), "no_tenant"),
    "a tenant that is a number": (orjson.dumps(event() | {"tenant": 7}), "no_tenant"),
    "unknown type": (orjson.dumps(event("weather.changed")), "unknown_type"),
    "a grant of another version": (orjson.dumps(granted() | {"type": "consent.granted.v2"}), "unknown_type"),
    "no subject": (orjson.dumps(event(channel="email")), "no_subject"),
    "no data": (orjson.dumps(without(event(), "data")), "no_subject"),
    "a grant of an unknown source": (orjson.dumps(granted() | {"source": "/rogue"}), "unknown_source"),
    "a grant to what is no address": (orjson.dumps(granted(email="ana at example")), "bad_address"),
    "a grant without time": (orjson.dumps(without(granted(), "time")), "no_time"),
    "a grant before there was mail": (orjson.dumps(granted() | {"time": "0001-01-01T00:00:00Z"}), "no_time"),
    "a grant of the 99th century": (orjson.dumps(granted() | {"time": "9999-12-31T23:59:59Z"}), "future_time"),
    "a grant without notice": (orjson.dumps(granted(notice=None)), "no_notice"),
    "a grant under an unknown notice": (orjson.dumps(granted(notice={"id": "n9", "version": 1})), "unknown_notice"),
    "a purpose the notice does not name": (orjson.dumps(granted(purpose="profiling")), "purpose_not_in_notice"),
    "a topic neither true nor false": (
        orjson.dumps(event("preference.set", "p", **ANA, topics={"news": "maybe"}, notice={"id": "n1", "version": 1})),
        "bad_value",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "code"), REFUSED.values(), ids=REFUSED)
def test_refused_with_its_code(value, code):
    taken = take(value)
    assert taken.refusal is not None
    assert taken.refusal.code == code
    assert "ana" not in taken.refusal.message.lower()


def test_what_is_refused_permits_nothing():
    for value, _ in REFUSED.values():
        for fact in take(value).facts:
            assert not any(isinstance(part, Grant) for part in fact.parts)


def test_a_value_of_the_greatest_size_is_read():
    plain = orjson.dumps(event() | {"pad": ""})
    padded = orjson.dumps(event() | {"pad": "x" * (MAX_VALUE - len(plain))})
    assert len(padded) == MAX_VALUE
    taken = take(padded)
    assert taken.refusal is None
    assert [fact.key for fact in taken.facts] == [ANAS_KEY]


@pytest.mark.parametrize(
    "flawed",
    [
        without(event(), "id"),
        without(event(), "source"),
        without(event(), "time"),
        without(event(), "specversion"),
        event() | {"source": "/rogue"},
        event() | {"time": "9999-12-31T23:59:59Z"},
        event() | {"time": "0001-01-01T00:00:00Z"},
        event() | {"time": 12},
        event(**ANA, scope="news//weekly"),
        event(**ANA, scope=["news"]),
        event(**ANA, purpose="everything"),
    ],
)
def test_a_restriction_with_flaws_is_applied(flawed):
    taken = take(orjson.dumps(flawed))
    assert taken.refusal is None
    assert [fact.key for fact in taken.facts] == [ANAS_KEY]
    (part,) = taken.facts[0].parts
    assert part.kind == "unsubscribed"


def test_a_withdrawal_from_what_is_no_address_is_kept_under_its_contact():
    taken = take(orjson.dumps(event("consent.withdrawn", "w", email="ana at example", contact="c-1", channel="email")))
    assert KEYS.subject("acme", "contact", "c-1") in {fact.key for fact in taken.facts}
    assert any(isinstance(part, Restriction) for fact in taken.facts for part in fact.parts)


def test_what_is_nested_as_deeply_as_json_is_read_does_no_harm():
    deep = b"[" * 1000 + b"]" * 1000
    for name in (b"data", b"scope", b"time", b"tenant", b"pad"):
        taken = take(
            orjson.dumps(event(**ANA, pad="@")).replace(b'"data":{', b'"' + name + b'":' + deep + b',"data":{')
        )
        assert taken.facts or taken.refusal
    taken = take(orjson.dumps(event(**ANA, scope="@", purpose="@")).replace(b'"@"', deep))
    assert [fact.key for fact in taken.facts] == [ANAS_KEY]


def test_facts_say_where_they_come_from():
    (fact,) = take(orjson.dumps(event("unsubscribe.link", "e7")), NOON, (5, 99)).facts
    assert (fact.tenant, fact.id, fact.source, fact.type) == ("acme", "e7", "/edge", "unsubscribe.link")
    assert (fact.received, fact.partition, fact.offset, fact.derived) == (NOON, 5, 99, False)


def test_a_record_taken_in_twice_gives_the_same_ledger_bytes():
    value = orjson.dumps(granted(contact="c-1", names=["marketing:email:*"]))
    first, second = take(value), take(value)
    assert len(first.facts) == 2
    assert [encode_fact(fact) for fact in first.facts] == [encode_fact(fact) for fact in second.facts]
    assert [decode_fact(fact.key, encode_fact(fact)) for fact in first.facts] == first.facts


def test_a_bad_event_of_a_batch_holds_nobody_else_back():
    batch = [event(), "no event", event("weather.changed"), event(email="ben@example.com", channel="email"), 3]
    taken = take(orjson.dumps(batch))
    assert {fact.key for fact in taken.facts} == {ANAS_KEY, KEYS.subject("acme", "email", "ben@example.com")}
    assert taken.refusal is not None
    assert taken.refusal.code == "not_cloudevent"  # the first of the codes that apply
    assert taken.refusal.events == (1, 2, 4)


def test_a_batch_may_be_of_a_thousand():
    batch = [
        event("unsubscribe.oneclick", f"e{i}", email=f"p{i}@example.com", channel="email") for i in range(MAX_BATCH)
    ]
    taken = take(orjson.dumps(batch))
    assert taken.refusal is None
    assert len({fact.key for fact in taken.facts}) == MAX_BATCH


def test_an_avro_event_that_ends_early_is_refused_wherever_it_ends():
    from consent_stream.wire.schemas import CONSENT_EVENT

    whole = CONSENT_EVENT + text("1.0") + text("e1") + long(4)
    for end in range(len(CONSENT_EVENT), len(whole)):
        refusal = take(whole[:end]).refusal
        assert refusal is not None
        assert refusal.code == "not_cloudevent"


def test_quarantine_keeps_the_senders_headers_and_tells_place_and_reason():
    headers = error_headers(
        "no_tenant",
        "intake",
        ("consent.events", 3, 14),
        "why",
        (1, 4),
        [("trace", b"\xff"), ("consent-error-code", b"lie")],
    )
    assert headers == [
        ("trace", b"\xff"),
        ("consent-error-code", b"no_tenant"),
        ("consent-error-stage", b"intake"),
        ("consent-error-topic", b"consent.events"),
        ("consent-error-partition", b"3"),
        ("consent-error-offset", b"14"),
        ("consent-error-message", b"why"),
        ("consent-error-events", b"1,4"),
    ]
