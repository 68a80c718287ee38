"""Records of every topic as rows, and which of them somebody asked for."""

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.standing import BLANK, Standing
from consent_stream.inspection.records import READERS, Raw, Row, direction, row_of
from consent_stream.inspection.timeorder import TimeOrder
from consent_stream.inspection.wanted import Wanted
from consent_stream.wire.change import encode_change
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.records import error_headers
from consent_stream.wire.send import encode_send
from consent_stream.wire.state import encode_registers
from consent_stream.wire.suppression import encode_entry
from consent_stream.wire.topics import CHANGES, LEDGER, QUARANTINE, SENDS, STATE, SUPPRESSION
from tests.wire.samples import AT, EVERY_PART, FULL, KEY, PARTIAL, SUPPRESSED, UNSUBSCRIBE
from tests.wire.samples import SENDS as MESSAGES

ADDRESS = "ana@example.com"


def raw(value, key=KEY, written=AT + 12_000, headers=()):
    return Raw(3, 1742, written, key, value, headers)


def change(before=BLANK, after=SUPPRESSED, fact=UNSUBSCRIBE):
    return row_of(CHANGES, raw(encode_change("email", before, after, fact, 9)))


def test_a_change_tells_what_was_what_is_and_which_event():
    row = change()
    assert (row.topic, row.partition, row.offset, row.key, row.tenant) == ("consent.changes", 3, 1742, KEY, "acme")
    assert (row.channels, row.purposes, row.kinds) == (("email",), ("marketing",), ("tighter",))
    assert (row.before, row.after) == ("CLEAR", "SUPPRESSED minor,erased,undeliverable")
    assert row.reasons == ("minor", "erased", "undeliverable")
    assert (row.id, row.source, row.type, row.event) == (
        "u-1", "/mail/oneclick", "unsubscribe.oneclick", (7, 123_456),
    )  # fmt: skip
    assert (row.received, row.latency, row.derived, row.trouble) == (AT, 12_000, False, None)


def test_a_change_of_the_label_alone_shows_both_labels():
    row = change(BLANK, BLANK._replace(label="ConsentRequested"))
    assert (row.before, row.after, row.kinds) == ("CLEAR ConsentUnknown", "CLEAR ConsentRequested", ("other",))


def test_reasons_that_went_can_be_asked_for_too():
    row = change(SUPPRESSED, Standing("SUPPRESSED", ("erased",), (), ""))
    assert row.reasons == ("erased", "minor", "undeliverable")


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        (BLANK, PARTIAL, "tighter"),
        (PARTIAL, SUPPRESSED, "tighter"),
        (SUPPRESSED, PARTIAL, "looser"),
        (PARTIAL, BLANK, "looser"),
        (PARTIAL, PARTIAL._replace(blocked_scopes=("news", "deals")), "tighter"),
        (SUPPRESSED, SUPPRESSED._replace(reasons=("minor",)), "looser"),
        (SUPPRESSED, SUPPRESSED._replace(reasons=("legal",)), "other"),
        (PARTIAL, PARTIAL._replace(label="ConsentGiven"), "other"),
    ],
)
def test_which_way_a_standing_went(before, after, way):
    assert direction(before, after) == way


def test_a_fact_tells_its_parts_and_no_date_of_birth():
    row = row_of(LEDGER, raw(encode_fact(EVERY_PART)))
    assert "unsubscribed marketing:email:news; erased *:*:*; grant E3 marketing:email:news" in row.after
    assert row.kinds[:3] == ("unsubscribed", "erased", "grant")
    assert {"lift", "void", "birth", "bounced", "delivered", "request", "link"} < set(row.kinds)
    assert row.reasons == ("unsubscribed", "erased")
    assert row.channels == ("email", "sharing")
    assert {"marketing", "*"} <= set(row.purposes)
    assert row.derived
    assert "2010" not in row.after
    assert "733" not in row.after


def test_a_fact_without_parts_is_of_no_effect():
    row = row_of(LEDGER, raw(encode_fact(UNSUBSCRIBE._replace(parts=()))))
    assert (row.after, row.channels) == ("nothing of effect", ("email",))


def test_a_state_and_a_list_tell_what_they_hold_and_a_list_by_which_event():
    state = row_of(STATE, raw(encode_registers(FULL)))
    assert state.after.endswith("; 1 links")
    assert state.reasons == ("erased", "unsubscribed")
    listed = row_of(SUPPRESSION["email"], raw(encode_entry(FULL, "email", SUPPRESSED, UNSUBSCRIBE, 77)))
    assert (listed.kinds, listed.after) == (("suppressed",), "SUPPRESSED minor,erased,undeliverable version 77")
    assert (listed.id, listed.event, listed.latency) == ("u-1", (7, 123_456), None)
    assert row_of(STATE, raw(None)).after == "no row"


def test_a_null_on_a_list_is_told_as_trouble_and_a_heartbeat_not_at_all():
    assert "null" in row_of(SUPPRESSION["sms"], raw(None)).trouble
    assert row_of(SUPPRESSION["sms"], raw(b"anything", HEARTBEAT_KEY)) is None


def test_a_message_tells_the_answer_and_what_became_of_it():
    row = row_of(SENDS, raw(encode_send(MESSAGES[1])))
    assert (row.before, row.after, row.kinds) == ("deny stale,erased", "held_back", ("held_back",))
    assert (row.source, row.purposes, row.channels) == ("mta-2.example.com", ("sharing",), ("sharing",))


def quarantined(key):
    headers = error_headers(
        "not_cloudevent", "intake", ("consent.events", 4, 99), "no JSON", original=[("x", ADDRESS.encode())]
    )
    return row_of(QUARANTINE, raw(f'{{"email":"{ADDRESS}"'.encode(), key, headers=headers))


def test_of_a_quarantined_record_nothing_is_shown_that_a_sender_sent():
    row = quarantined(ADDRESS.encode())
    assert (row.reasons, row.kinds, row.source) == (("not_cloudevent",), ("intake",), "consent.events")
    assert (row.event, row.after, row.key) == ((4, 99), "26 bytes no JSON", None)
    assert ADDRESS not in repr(row)
    assert quarantined(KEY).key == KEY


def test_headers_of_quarantine_that_are_none_are_trouble_and_no_crash():
    headers = [("consent-error-partition", b"\xff"), ("consent-error-offset", b"9" * 40), ("x", None)]
    row = row_of(QUARANTINE, raw(None, None, headers=headers))
    assert (row.event, row.after) == (None, "0 bytes")
    assert row.trouble == "no consent-error-code"


@pytest.mark.parametrize("topic", [topic for topic in READERS if topic is not QUARANTINE], ids=lambda topic: topic.name)
@settings(deadline=None)
@given(value=st.binary(max_size=60), header=st.booleans())
def test_what_cannot_be_read_is_a_row_with_its_place(topic, value, header):
    row = row_of(topic, raw(b"\xc3\x01" + value if header else value))
    assert (row.partition, row.offset, row.key) == (3, 1742, KEY)
    assert row.trouble


def test_the_same_row_as_json_has_plain_values():
    fields = change().fields()
    assert (fields["key"], fields["event"]) == (KEY.hex(), {"partition": 7, "offset": 123_456})
    assert (fields["written"], fields["received"], fields["latency_ms"]) == (AT + 12_000, AT, 12.0)
    assert set(fields) == {*Row._fields, "latency_ms"}


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        ({}, True),
        ({"tenants": ("acme",)}, True),
        ({"tenants": ("globex", "acme")}, True),
        ({"tenants": ("globex",)}, False),
        ({"channels": ("sms",)}, False),
        ({"purposes": ("marketing",)}, True),
        ({"purposes": ("sharing",)}, False),
        ({"kinds": ("tighter",)}, True),
        ({"kinds": ("looser",)}, False),
        ({"reasons": ("minor",)}, True),
        ({"reasons": ("complaint",)}, False),
        ({"types": ("unsubscribe.oneclick",)}, True),
        ({"sources": ("/mail",)}, False),
        ({"tenants": ("acme",), "reasons": ("complaint",)}, False),
    ],
)
def test_every_part_of_what_is_wanted_must_hold(wanted, held):
    assert Wanted(**wanted).holds(change()) is held


def test_what_concerns_every_purpose_concerns_each():
    row = row_of(LEDGER, raw(encode_fact(EVERY_PART)))
    assert Wanted(purposes=("profiling",)).holds(row)


def test_a_record_that_cannot_be_read_is_wanted_unless_its_key_or_time_says_no():
    damaged = raw(b"rubbish")
    assert Wanted(tenants=("globex",)).holds(row_of(CHANGES, damaged))
    assert Wanted(key=KEY.hex()[:9], since=AT, until=AT + 12_001).may_hold(damaged)
    for other in ({"key": "0163"}, {"since": AT + 12_001}, {"until": AT + 12_000}):
        assert not Wanted(**other).may_hold(damaged)
    assert not Wanted(key="01").may_hold(damaged._replace(key=None))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 50)).map(sorted), max_size=4), st.randoms())
def test_records_of_the_past_come_in_order_however_they_arrive(partitions, random):
    order, left, taken = TimeOrder(range(len(partitions)), 3), dict(enumerate(map(list, partitions))), []
    while left:
        p = random.choice(sorted(left.keys() - order.crowded()))
        if left[p]:
            order.add(p, left[p][0], left[p].pop(0))
        else:
            order.caught_up(p)
            del left[p]
        taken += order.take()
    assert taken == sorted(taken) == sorted(chain(*partitions))


def test_what_is_new_does_not_wait_and_what_is_crowded_is_told():
    order = TimeOrder({0, 1}, 2)
    order.add(0, 5, "a")
    order.add(0, 6, "b")
    assert (order.take(), order.crowded()) == ([], {0})
    order.caught_up(1)
    assert (order.take(), order.crowded()) == (["a", "b"], set())
    order.add(1, 1, "late")
    assert order.take() == []
    order.caught_up(0)
    assert order.take() == ["late"]
