"""Records of `consent.events`: what is read, what goes to quarantine and why, and the headers it gets there."""

import json
from math import isfinite

import pytest

from consent_stream.domain.policy import read_policy
from consent_stream.topology.intake import take_in
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.records import MAX_BATCH, MAX_VALUE, error_headers, read_events

from .released import newest

EVENT = {"specversion": "1.0", "id": "e", "source": "/edge", "type": "unsubscribe.oneclick.v1", "tenant": "acme"}
JSON = json.dumps(EVENT).encode()
AVRO = newest()["consent_event"].values[1]


def code(value):
    with pytest.raises(WireError) as caught:
        read_events(value)
    assert "ana@example.com" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("space", [b"", b" ", b"\n\n", b"\r\n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_white_space_and_a_byte_order_mark_cost_no_withdrawal(space):
    assert read_events(space + JSON) == [EVENT]
    assert read_events(space + JSON + b"\n") == [EVENT]
    assert read_events(space + b"[" + JSON + b"]") == [EVENT]


@pytest.mark.parametrize(
    "number", ["9" * 19, "9" * 40, "-" + "9" * 40, "1" + "0" * 5000, "1e400", "-1e400", "-0.0", "1E+2"]
)
def test_numbers_that_do_not_fit_cost_no_withdrawal(number):
    (event,) = read_events(JSON[:-1] + b', "n": ' + number.encode() + b"}")
    n = event.pop("n")
    assert event == EVENT
    assert n is None or (isfinite(n) and float(n) == float(number)), "no infinity for rules to compute with"


def test_half_a_character_costs_no_withdrawal():
    """A text cut in the middle of an emoji, as JavaScript writes it."""
    stop = (
        JSON[:-1]
        + rb', "data": {"text": "STOP \ud83d", "phone": "+1\udc00", "a\ud800": ["\ud800\ud83d\ude00"], "n": 5}}'
    )
    (event,) = read_events(stop)
    assert event["data"]["text"] == "STOP \ufffd"
    assert event["data"]["a\ufffd"] == ["\ufffd\N{GRINNING FACE}"]
    assert event["data"]["n"] == 5
    assert event["data"]["phone"] == "+1\udc00", "a subject is not repaired: it could become somebody else's"
    assert read_events(b"[" + stop + b",1]") == [event, 1]
    json.dumps({**event, "data": {**event["data"], "phone": ""}}, ensure_ascii=False).encode()


def test_half_a_character_anywhere_never_stops_the_intake():
    """Whatever field it is in: facts or a code come out, and the facts can be written."""
    policy = read_policy({"tenants": {"acme": {}}})
    keys = Keyring({0: bytes(32)})
    half = "x\ud800"
    for name in EVENT:
        for value in (half, [half], {half: half}):
            taken = take_in(json.dumps(EVENT | {name: value}).encode(), 0, (0, 0), policy, keys.subject)
            assert all(encode_fact(fact) for fact in taken.facts)
    for name in ("contact", "email", "phone", "region", "keys", "channel", "purpose", "scope", "node", "kind", "voids"):
        for type_ in ("unsubscribe.oneclick.v1", "admin.suppress.v1", "consent.invalidated.v1", "x\ud800.optout"):
            data = {"email": "ana@example.com"} | {name: half}
            event = EVENT | {"type": type_, "data": data}
            taken = take_in(json.dumps(event).encode(), 0, (0, 0), policy, keys.subject)
            assert taken.facts or taken.refusal
            assert all(encode_fact(fact) for fact in taken.facts)


def test_of_two_fields_of_one_name_the_last_counts():
    assert read_events(b'{"id": "a", "id": "b"}') == [{"id": "b"}]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"\n",
        b"hello",
        b"{",
        b"[",
        b'{"a": 1',
        b'{"a": 1}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"{'a': 1}",
        b'{"a": "\xff"}',
        b'{"a": "\\ud80"}',
        b'{"a": "\\ud800", "b": NaN}',
        b'{"a": "\\ud800", "b": "\xff"}',
        b'{"a": "\n"}',
        JSON + JSON,
        b"\xef\xbb\xbf\xef\xbb\xbf" + JSON,
        json.dumps(EVENT).encode("utf-16"),
        b"\xc3\x01",
        b"\xc3\x02" + AVRO[2:],
        b"\xc3\x01" + bytes(8) + AVRO[10:],
        AVRO[:-1],
        AVRO + b"\0",
        b"\0\0\0\0\1" + AVRO[10:],
        b"\1" + bytes(16) + AVRO[10:],
        b"\x1f\x8b" + bytes(20),
        b"\x80\x81",
    ],
)
def test_what_is_no_event(value):
    assert code(value) == "not_cloudevent"


@pytest.mark.parametrize("depth", [2000, 100_000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_nested_too_deep(depth, brackets):
    value = brackets[0] * depth + b"1" + brackets[1] * depth
    assert code(value) == ("too_large" if len(value) > MAX_VALUE else "not_cloudevent")
    assert code(brackets[0] * min(depth, MAX_VALUE // len(brackets[0]))) == "not_cloudevent"


def test_nested_as_deep_as_anyone_means_it():
    deep = b'{"a":' * 100 + b"1" + b"}" * 100
    assert read_events(b'{"id":"e","data":' + deep + b"}")[0]["id"] == "e"


def test_the_largest_value():
    def padded(size):
        return JSON[:-1] + b', "pad": "' + b"x" * (size - len(JSON) - 11) + b'"}'

    assert len(padded(MAX_VALUE)) == MAX_VALUE == 262_144
    assert read_events(padded(MAX_VALUE))[0]["id"] == "e"
    assert code(padded(MAX_VALUE + 1)) == "too_large"
    assert code(b"\xff" * (1 << 20)) == "too_large"


@pytest.mark.parametrize("count", [1, 2, MAX_BATCH])
def test_a_batch(count):
    assert read_events(json.dumps([EVENT] * count).encode()) == [EVENT] * count


def test_a_batch_of_none_or_too_many():
    assert code(b"[]") == "not_cloudevent"
    assert code(b"[" + b",".join([b"1"] * (MAX_BATCH + 1)) + b"]") == "not_cloudevent"


@pytest.mark.parametrize("member", ["null", "1", '"text"', "[]", "true"])
def test_what_a_batch_holds_is_judged_one_by_one_later(member):
    assert read_events(b"[" + JSON + b"," + member.encode() + b"]") == [EVENT, json.loads(member)]
    assert read_events(member.encode() if member != "[]" else JSON) == [json.loads(member) if member != "[]" else EVENT]


@pytest.mark.parametrize("extra", ["[]", "1", "null", "{", '{"a": NaN}', ""])
def test_avro_events_whose_extra_is_no_object(extra):
    old = b'{"words":"Keep me."}'
    assert AVRO.count(bytes([len(old) * 2]) + old) == 1
    swapped = AVRO.replace(bytes([len(old) * 2]) + old, bytes([len(extra) * 2]) + extra.encode())
    assert code(swapped) == "not_cloudevent"


def test_named_fields_of_an_avro_event_win_over_its_extra():
    old, new = b'{"words":"Keep me."}', b'{"email":"x@x.test"}'
    assert len(old) == len(new)
    (event,) = read_events(AVRO.replace(old, new))
    assert event["data"]["email"] == "ana@example.com"


def test_error_headers_keep_the_original_ones_and_tell_why_and_whence():
    headers = error_headers(
        "bad_value", "intake", ("consent.events", 3, 17), "no scope", [0, 5], [("trace", b"t"), ("empty", b"")]
    )
    assert headers == [
        ("trace", b"t"),
        ("empty", b""),
        ("consent-error-code", b"bad_value"),
        ("consent-error-stage", b"intake"),
        ("consent-error-topic", b"consent.events"),
        ("consent-error-partition", b"3"),
        ("consent-error-offset", b"17"),
        ("consent-error-message", b"no scope"),
        ("consent-error-events", b"0,5"),
    ]


def test_a_record_that_comes_back_from_quarantine_gets_new_error_headers():
    first = error_headers("bad_value", "intake", ("consent.events", 3, 17), "no scope", [1])
    again = error_headers("no_tenant", "intake", ("consent.events", 4, 18), original=first)
    assert dict(again)["consent-error-code"] == b"no_tenant"
    assert len(dict(again)) == len(again) == 6
