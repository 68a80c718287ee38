"""Whatever a sender writes ends as facts that can be stored, as a code, or as both: never as an exception."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.derive import derive
from consent_stream.domain.events import CODES, Outcome, qualify
from consent_stream.domain.facts import Fact
from consent_stream.domain.permissions import PERMISSIONS
from consent_stream.domain.policy import read_policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.restrictions import RESTRICTIONS
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.state import encode_registers
from tests.laws.harness import key_of
from tests.laws.histories import POLICY, arrivals

TYPES = [*RESTRICTIONS, *PERMISSIONS, "vendor.optout", "newsletter.paused"]
RECEIVED = 1_773_144_000_000_000
FIELDS = [
    "contact", "email", "phone", "keys", "region", "channel", "purpose", "scope", "notice", "evidence", "names",
    "valid_until", "batch", "credential", "method", "origin", "date", "approved_by", "node", "kind", "voids", "topics",
    "text", "program", "headers", "sections", "feedback_type", "status", "disconnect_date", "birth_date", "band",
]  # fmt: skip
PARSED = read_policy(POLICY)
TEXTS = [
    "\ud800", "x" * 300, "\0", "*", "ana@example.com", "5.1.1", "2026-03-10", "0001-01-01", "9999-12-31",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", key_of("acme", "email", "ana@example.com").hex(),
]  # fmt: skip
ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(TEXTS)
JSON = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("id"), inner, max_size=3),
)


def ends_well(event: dict[str, Any]) -> Outcome:
    outcome = qualify(event, RECEIVED, (0, 0), PARSED, key_of)
    assert outcome.code is None or outcome.code in CODES
    for fact in outcome.facts:
        assert decode_fact(fact.key, encode_fact(fact)) == fact
        encode_registers(joined(fact))
    return outcome


def joined(fact: Fact) -> Registers:
    """What the fact leaves in an empty key; what follows for others must be found without a fault, too."""
    reg = Registers(fact.tenant, fact.channels)
    derive(reg, reg.apply(fact), fact)
    return reg


@given(st.dictionaries(st.sampled_from(["specversion", "id", "source", "type", "tenant", "time", "data", "x"]), JSON))
def test_any_json_object(event: dict[str, Any]) -> None:
    ends_well(event)


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8), JSON)
def test_any_data_of_a_known_type(name: str, data: dict[str, Any], time: object) -> None:
    """With a good envelope: the facts of each kind are reached."""
    subject = {"email": "ana@example.com", "contact": "c", "channel": "email", "notice": {"id": "n1", "version": 1}}
    event = {
        "specversion": "1.0", "id": "e", "source": "/edge", "type": f"{name}.v1", "tenant": "acme",
        "time": "2026-03-10T10:00:00Z", "data": {**subject, **data},
    }  # fmt: skip
    ends_well(event)
    ends_well({**event, "time": time})


@given(arrivals(), st.sampled_from(["id", "source", "type", "tenant", "time", "specversion"]), ODD)
def test_one_odd_field_in_the_envelope(arrival: dict[str, Any], name: str, odd: object) -> None:
    ends_well({**arrival["event"], name: odd})


@given(arrivals(), st.sampled_from(FIELDS), JSON)
def test_one_odd_field_in_the_data(arrival: dict[str, Any], name: str, odd: object) -> None:
    event = arrival["event"]
    ends_well({**event, "data": {**event["data"], name: odd}})


@pytest.mark.parametrize("name", TYPES)
def test_restrictions_hold_whatever_else_is_wrong(name: str) -> None:
    """Tenant, type and subject are enough for what forbids (and for what signals that it does)."""
    needed: dict[str, dict[str, Any]] = {
        "consent.invalidated": {"voids": ["batch:b"]}, "preference.set": {"topics": {"a//b": False}},
        "sms.inbound": {"text": "STOP"}, "signal.gpc": {"headers": ["1"]},
        "signal.gpp": {"sections": {"x": {"OptOut": 1}}},
        "delivery.bounced": {"status": "5.1.1"}, "subject.age_asserted": {"band": "under_13"},
        "import.row": {"status": "unsubscribed"},
    }  # fmt: skip
    odd = {"scope": 5, "purpose": [], "node": {}, "notice": 0, "evidence": None, "names": 3, "channel": "email"}
    data = {"email": "ana@example.com", **odd, **needed.get(name, {})}
    outcome = ends_well({"tenant": "acme", "type": f"{name}.v1", "time": 5, "data": data})
    permits = name in PERMISSIONS or name == "newsletter.paused"
    assert outcome.code == ("not_cloudevent" if permits else None)
    assert any(fact.parts for fact in outcome.facts) == (not permits)


def deeply_nested() -> object:
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    "odd",
    [deeply_nested(), [], {}, [[]], [{}], {"id": []}, 10**5000, -(10**5000), float("nan"), float("inf"), "x" * 300_000],
    ids=lambda odd: type(odd).__name__,
)
def test_every_field_of_every_type_may_hold_anything(odd: object) -> None:
    good = {"email": "ana@example.com", "channel": "email", "notice": {"id": "n1", "version": 1}}
    for name in TYPES:
        event = {
            "specversion": "1.0", "id": "e", "source": "/edge", "type": f"{name}.v1", "tenant": "acme",
            "time": "2026-03-10T10:00:00Z", "data": good,
        }  # fmt: skip
        for field in event:
            ends_well({**event, field: odd})
        for field in FIELDS:
            ends_well({**event, "data": {**good, field: odd}})
            ends_well({**event, "data": {**good, field: [odd]}})
            ends_well({**event, "data": {**good, field: {"id": odd, "version": odd}}})


X200 = "x" * 200


def keys_of(kind: bytes, count: int) -> list[str]:
    return [(b"\x01" + kind + n.to_bytes(17, "big")).hex() for n in range(count)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("preference.set", {"keys": keys_of(b"a", 1500), "topics": {f"topic-{n}": False for n in range(8000)}}),
        ("consent.invalidated", {"keys": keys_of(b"a", 1500), "voids": [f"batch:b{n}" for n in range(10000)]}),
        ("consent.requested", {"keys": keys_of(b"a", 2500) + keys_of(b"c", 2500)}),
        ("consent.granted", {"keys": keys_of(b"a", 2500), "names": [f"marketing:email:{X200}{n}" for n in range(256)],
                             "channel": "email", "notice": {"id": "n1", "version": 1}}),
        ("unsubscribe.global", {"keys": keys_of(b"a", 6000)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_one_record_never_becomes_a_flood(name: str, data: dict[str, Any]) -> None:
    """A quarter mebibyte of input multiplies two long lists; what is written for it stays within a few of its size."""
    event = {
        "specversion": "1.0", "id": "e" * 200, "source": "/edge", "type": f"{name}.v1", "tenant": "acme",
        "time": "2026-03-10T10:00:00Z", "data": data,
    }  # fmt: skip
    assert 100_000 < len(json.dumps(event)) <= 300_000
    tracemalloc.start()
    outcome = qualify(event, RECEIVED, (0, 0), PARSED, key_of)
    written = sum(len(encode_fact(fact)) for fact in outcome.facts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written < 4_000_000
    assert peak < 64_000_000
