"""One slice through the intake: what leaves for quarantine always fits there."""

from types import SimpleNamespace

import pytest

from consent_stream.engine import Slice
from consent_stream.settings import LARGEST_RECORD
from consent_stream.topology.app import _take_slice
from consent_stream.topology.echo import Echo
from tests.topology.made_up import KEYS, NOON, POLICY

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
