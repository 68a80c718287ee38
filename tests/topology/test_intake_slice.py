"""One slice through the intake: what leaves for quarantine always fits there, and says why it went."""

from types import SimpleNamespace

import orjson
import pytest

from consent_stream.domain.events import CODES, MEANINGS
from consent_stream.engine import Slice
from consent_stream.settings import LARGEST_RECORD
from consent_stream.topology.app import _take_slice
from consent_stream.topology.echo import Echo
from tests.topology.made_up import KEYS, NOON, POLICY, event, granted

HUGE = 40 << 20  # compressed by its sender, the broker took it for a few KiB


def quarantined(key, value, headers=()):
    out = []
    unit = SimpleNamespace(emit=lambda topic, *record, headers=None: out.append((topic, *record, headers)))
    record = SimpleNamespace(offset=7, timestamp=NOON // 1000, key=key, value=value, headers=headers)
    _take_slice(Slice("events", 0, 7, [record]), unit, POLICY, KEYS, Echo(), "ledger", "quarantine")
    ((topic, key, value, headers),) = out
    assert topic == "quarantine"
    return key, value, dict(headers)


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k", b" " * HUGE, ()),
        (b" " * HUGE, b"no JSON", ()),
        (b" " * HUGE, None, ()),
        (None, b"no JSON", (("x", b" " * HUGE),)),
        (b" " * (LARGEST_RECORD // 2), b" " * (LARGEST_RECORD // 2), (("x", None),)),
    ],
)
def test_a_record_that_no_topic_would_take_is_cut_and_stops_nobody(key, value, headers):
    found, begun, told = quarantined(key, value, headers)
    assert found is None
    assert (value or b"").startswith(begun)
    assert len(begun) + sum(len(raw) for raw in told.values()) < LARGEST_RECORD // 2
    assert told["consent-error-offset"] == b"7"
    assert b"cut" in told["consent-error-message"]


def test_all_others_stand_there_byte_for_byte():
    key, value, told = quarantined(b"k", b" " * (2 << 20), (("x", b"1"),))
    assert (key, value, told["x"], told["consent-error-code"]) == (b"k", b" " * (2 << 20), b"1", b"too_large")
    assert b"cut" not in told["consent-error-message"]


def test_every_code_has_a_sentence_of_its_own():
    assert list(MEANINGS) == list(CODES)
    assert len(set(MEANINGS.values())) == len(CODES)
    assert all(text.isascii() and 10 < len(text) < 100 for text in MEANINGS.values())


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (event("weather.changed", email="ana@example.com"), "unknown_type"),
        (granted(notice=None), "no_notice"),
        (granted(email="ana at example"), "bad_address"),
        ([granted(notice=None), event("weather.changed")], "unknown_type"),
    ],
)
def test_the_header_says_what_the_code_means(record, code):
    _, _, told = quarantined(None, orjson.dumps(record))
    assert told["consent-error-code"] == code.encode()
    assert told["consent-error-message"] == MEANINGS[code].encode()
