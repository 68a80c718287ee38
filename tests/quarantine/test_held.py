"""A quarantined record as on-call sees it: nothing of what was sent, whatever was sent."""

from __future__ import annotations

import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.commands.quarantine.trial import outcome
from consent_stream.domain.policy import Policy
from consent_stream.inspection.masked import described, masked
from consent_stream.inspection.quarantine import Held, Wanted, destination, fields, held
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.records import error_headers, fit_for_quarantine
from consent_stream.wire.topics import LARGEST_KEPT
from tests.topology.made_up import NOON, POLICY, event, facts_of, granted, take

ANA = "ana.marker@example.com"
PHONE = "+12015550123"


def quarantined(
    value: bytes | None, code: str = "", key: bytes | None = None, topic: str = "consent.events", stage: str = "intake"
) -> Held:
    """As the worker writes it."""
    refusal = take(value).refusal
    said, message, events = refusal or ("bad_avro", "a fact that cannot be read", ())
    key, value, original, cut = fit_for_quarantine(
        key, value, [("to", ANA.encode()), ("consent-error-code", b"forged")]
    )
    message += "; cut, the whole record is at its place" if cut else ""
    headers = error_headers(code or said, stage, (topic, 3, 14), message, events, original)
    return held((1, 7), NOON, key, value, tuple(headers))


def test_it_says_why_and_whence() -> None:
    found = quarantined(b"unsubscribe ana", key=b"k")
    assert (found.code, found.stage, found.topic, found.source) == (
        "not_cloudevent",
        "intake",
        "consent.events",
        (3, 14),
    )
    assert found.headers == (("to", ANA.encode()),)
    assert (found.key, found.value, found.size, found.whole, found.may_be_withdrawal) == (
        b"k",
        b"unsubscribe ana",
        15,
        True,
        True,
    )
    assert found.origin == "consent.events 3:14"
    assert fields(found, None)["source"] == {"partition": 3, "offset": 14}


def test_nothing_that_was_sent_is_told() -> None:
    """Also where headers are forged."""
    forged = tuple(
        (f"consent-error-{name}", ANA.encode())
        for name in ("code", "stage", "topic", "partition", "offset", "message", "events")
    )
    for found in (
        quarantined(ANA.encode(), key=ANA.encode()),
        held((0, 0), NOON, ANA.encode(), ANA.encode(), (*forged, (ANA, ANA.encode()))),
    ):
        assert ANA not in repr(found) + json.dumps(fields(found, None)) + found.origin + described(found.value)
    assert found.code == "?"
    assert found.source is None


def test_what_was_cut_is_known_as_such() -> None:
    whole, cut = quarantined(b"x" * 300_000), quarantined(b"x" * (LARGEST_KEPT + 1))
    assert (whole.whole, cut.whole) == (True, False)
    assert destination(whole, "") == ("consent.events", -1)
    with pytest.raises(ValueError, match="only its beginning was kept"):
        destination(cut, "")


@pytest.mark.parametrize(
    ("topic", "prefix", "where"),
    [
        ("consent.events", "", ("consent.events", -1)),
        ("p-consent.events", "p-", ("p-consent.events", -1)),
        ("consent.ledger", "", ("consent.ledger", 3)),
        ("consent.ledger.g12", "", ("consent.ledger.g12", 3)),
        ("consent.events", "p-", None),
        ("consent.control", "", None),
        ("suppression.email", "", None),
        ("consent.ledger.gx", "", None),
    ],
)
def test_a_record_goes_to_the_events_or_the_ledger_of_this_deployment_alone(
    topic: str, prefix: str, where: tuple[str, int] | None
) -> None:
    found = quarantined(b"x", topic=topic)
    if where is None:
        with pytest.raises(ValueError, match="does not say that it came from"):
            destination(found, prefix)
    else:
        assert destination(found, prefix) == where


def test_what_is_wanted() -> None:
    found = quarantined(b"unsubscribe ana")
    assert all(
        each.holds(found)
        for each in (
            Wanted(),
            Wanted(codes=("not_cloudevent",), stages=("intake",), topics=("consent.events",)),
            Wanted(since=NOON, until=NOON + 1, places=frozenset({(1, 7)}), withdrawals=True),
        )
    )
    assert not any(
        each.holds(found)
        for each in (
            Wanted(codes=("too_large",)),
            Wanted(stages=("state",)),
            Wanted(topics=("consent.ledger",)),
            Wanted(since=NOON + 1),
            Wanted(until=NOON),
            Wanted(places=frozenset({(1, 8)})),
        )
    )
    assert not Wanted(withdrawals=True).holds(quarantined(orjson.dumps({**granted(), "source": "/rogue"})))


def test_what_would_become_of_it_is_what_the_intake_says() -> None:
    rogue = quarantined(orjson.dumps({**granted(), "source": "/rogue"}))
    assert str(outcome(rogue, POLICY, NOON)) == "again unknown_source"
    mended = quarantined(orjson.dumps(granted()), code="unknown_source")
    assert str(outcome(mended, POLICY, NOON)) == "accepted as grant"
    assert str(outcome(mended, Policy(), NOON)) == "again unknown_source"
    both = event("preference.set", email=ANA, topics={"a": False, "b": True})
    assert (
        str(outcome(quarantined(orjson.dumps(both)), POLICY, NOON))
        == "accepted as topic_opt_out; the rest again no_notice"
    )
    assert str(outcome(quarantined(b"x" * 300_000), POLICY, NOON)) == "again too_large"


def test_a_record_of_which_no_more_is_understood_is_no_progress() -> None:
    both = event("preference.set", email=ANA, topics={"a": False, "b": True})
    same = quarantined(orjson.dumps(both))
    assert not outcome(same, POLICY, NOON).is_progress(same)  # its "no" was applied the first time
    was = quarantined(orjson.dumps(both), code="unknown_source")
    assert outcome(was, POLICY, NOON).is_progress(was)
    rogue, lost = {**granted(), "source": "/rogue"}, {name: each for name, each in event().items() if name != "tenant"}
    batch = quarantined(orjson.dumps([rogue, lost, event()]))
    assert batch.events == (0, 1)
    assert not outcome(batch, POLICY, NOON).is_progress(batch)
    mended = replace(quarantined(orjson.dumps([granted(), lost, event()])), events=(0, 1))
    assert outcome(mended, POLICY, NOON).is_progress(mended)


def test_a_fact_is_tried_by_reading_it() -> None:
    (fact,) = facts_of(event())
    sound = held(
        (0, 0), NOON, fact.key, encode_fact(fact), tuple(error_headers("bad_avro", "state", ("consent.ledger", 1, 2)))
    )
    assert str(outcome(sound, POLICY, NOON)) == "accepted as unsubscribed"
    broken = quarantined(b"\xc3\x01", key=fact.key, stage="state", topic="consent.ledger")
    assert outcome(broken, POLICY, NOON).code == "unknown_schema"


def test_the_shape_of_a_value() -> None:
    value = orjson.dumps(event(email=ANA, phone=PHONE, note="Ring ä\x1b[31m 7", list=[True, None, 12]))
    shown = masked(value)
    assert '"type":"unsubscribe.oneclick.v1"' in shown
    assert '"email":"xxx.xxxxxx@xxxxxxx.xxx"' in shown
    assert '"phone":"+99999999999"' in shown
    assert '"xxxx":"Xxxx' not in shown
    assert "[true,null,99]" in shown
    assert masked(b"\xff\xfe\x00") == "no text: 3 bytes that begin with fffe"
    assert (masked(None), masked(b"")) == ("null", "empty")
    assert masked(b"x" * 5_000).endswith("… 1,000 characters more")
    assert described(orjson.dumps([event()] * 3)).endswith("a batch of 3 events")


@given(st.text(max_size=300))
def test_no_letter_or_digit_of_anybody_is_shown(text: str) -> None:
    """But where a whole quoted word is one of ours."""
    shown = masked(text.replace('"', "'").replace("true", "").replace("false", "").replace("null", "").encode())
    assert set(shown) <= set("x9·\n") | {chr(each) for each in range(32, 127) if not chr(each).isalnum()} | set(
        "nulempty"
    )
