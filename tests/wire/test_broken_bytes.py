"""Bytes that are no record of ours end as a WireError: never another exception, a loop, or a heap full of nothing."""

import time
import tracemalloc
from random import Random

import pytest

from consent_stream.wire.avro import Remembered, WireError, long, read_blob, read_long, read_shared, read_text, text
from consent_stream.wire.change import decode_change
from consent_stream.wire.gate_report import decode_report
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.records import read_events
from consent_stream.wire.send import decode_send
from consent_stream.wire.state import decode_registers, encode_registers
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.vector import decode_heartbeat, decode_progress

from .reference import HEADER, varint
from .released import newest
from .samples import KEY

READERS = {
    "ledger_fact": lambda value: decode_fact(KEY, value),
    "consent_state": decode_registers,
    "suppression": decode_entry,
    "consent_change": decode_change,
    "heartbeat": decode_heartbeat,
    "progress": decode_progress,
    "send": decode_send,
    "gate_report": decode_report,
    "consent_event": read_events,
}
VALUES = [(name, value) for name in READERS for value in newest()[name].values]
HUGE = [-1, -(1 << 31), -(1 << 63), 1 << 20, 1 << 40, (1 << 63) - 1]
SECONDS, MEMORY = 0.5, 4 << 20  # each of these values is below 1.5 KiB


def refused_or_read(name: str, value: bytes) -> bool:
    """Whether it was read. Anything but a result or a WireError fails the test that asks."""
    began, refused = time.process_time(), None
    try:
        READERS[name](value)
    except WireError as error:
        refused = error
    assert time.process_time() - began < SECONDS
    if refused is not None:
        assert refused.code
        assert "example.com" not in str(refused)
    return refused is None


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_value_cut_at_any_byte_is_refused(name, value):
    for end in range(len(value)):
        assert not refused_or_read(name, value[:end]), f"cut at {end}"


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_bytes_behind_a_value_are_refused(name, value):
    assert not refused_or_read(name, value + b"\0")
    assert not refused_or_read(name, value + value)


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_any_byte_may_be_wrong(name, value):
    random = Random(value)
    for at in range(len(value)):
        for wrong in (0, 1, 0x7F, 0x80, 0xFF, value[at] ^ (1 << random.randrange(8)), random.randrange(256)):
            refused_or_read(name, value[:at] + bytes([wrong]) + value[at + 1 :])


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_huge_and_negative_numbers_anywhere(name, value):
    for at in range(HEADER, len(value) + 1):
        for n in HUGE:
            refused_or_read(name, value[:at] + varint(n) + value[at + 1 :])


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_huge_count_or_length_takes_no_memory(name, value):
    tracemalloc.start()
    try:
        for at in range(HEADER, len(value), 7):
            refused_or_read(name, value[:at] + varint(1 << 40) + value[at + 1 :])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY


@pytest.mark.parametrize("name", READERS)
def test_noise_behind_a_true_header(name):
    header, random = newest()[name].values[0][:HEADER], Random(name)
    for _ in range(3000):
        refused_or_read(name, header + random.randbytes(random.randrange(200)))


@pytest.mark.parametrize("name", READERS)
def test_no_value_at_all(name):
    for value in (b"", b"\0", b"\xc3\x01", b"\xff" * 30):
        assert not refused_or_read(name, value)


def test_a_length_that_runs_backwards_does_not_read_an_array_for_ever():
    """Read naively, the text -3 bytes long would be followed by itself, 2^62 times."""
    state = newest()["consent_state"].values[0]
    header, tenant = state[:HEADER], text("acme")
    assert not refused_or_read("consent_state", header + tenant + b"\2" + varint(1 << 62) + varint(-70) + b"\0" * 80)


@pytest.mark.parametrize("read", [read_text, read_shared, read_blob])
@pytest.mark.parametrize("n", [-1, -64, -65, 3, 1000, 1 << 40])
def test_a_length_is_neither_negative_nor_beyond_the_end(read, n):
    raw = varint(n) + b"ab"
    try:
        _, end = read(raw, 0)
    except WireError:
        return
    assert end > len(raw), "one that is a little too long is left to the check that a record ends where its bytes do"
    assert 0 < n < 64


@pytest.mark.parametrize("raw", [b"\x80" * 10 + b"\1", b"\xff" * 11, b"\xff" * 9 + b"\2", b"\x80" * 9 + b"\x7f"])
def test_a_number_of_more_than_64_bits_is_refused(raw):
    with pytest.raises(WireError):
        read_long(raw + bytes(9), 0)


@pytest.mark.parametrize("n", [1 << 63, -(1 << 63) - 1, 1 << 100, -(1 << 100)])
def test_a_number_of_more_than_64_bits_is_not_written(n):
    with pytest.raises(OverflowError):
        long(n)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"unsubscribed", b"unsubscribes", "unknown_kind"),
        (b"marketing:email:news", b"marketing:email:a//b", "bad_node"),
        (b"marketing:email:news", b"marketing-email:news", "bad_node"),
        (b"marketing:email:news", b"marketing:pager:news", "bad_node"),
    ],
)
@pytest.mark.parametrize("name", ["ledger_fact", "consent_state", "suppression"])
def test_a_kind_or_node_that_we_do_not_know_is_not_taken_for_nothing(name, old, new, code):
    """A newer worker may know more ways to say no: a reader that does not must not answer without them."""
    value = newest()[name].values[1 if name == "consent_state" else 0]
    assert old in value
    with pytest.raises(WireError) as caught:
        READERS[name](value.replace(old, new))
    assert caught.value.code == code


@pytest.mark.parametrize("days", [-719_163, 2_932_897, 1 << 30])
def test_a_birth_date_that_no_calendar_has_is_refused(days):
    """Deciding about it would fail later, on a date that cannot be computed."""
    value = newest()["ledger_fact"].values[1]
    stored = varint(14_611)  # 2010-01-01
    assert value.count(stored) == 1
    assert not refused_or_read("ledger_fact", value.replace(stored, varint(days)))
    assert refused_or_read("ledger_fact", value.replace(stored, varint(14_612)))


@pytest.mark.parametrize("branch", [1, 3, 16, 0x7F, 0x80, 0xFF])
def test_a_branch_that_a_union_has_not_is_refused(branch):
    fact, state = newest()["ledger_fact"].values[0], newest()["consent_state"].values[0]
    at = fact.index(text("unsubscribed")) - 1
    assert fact[at] == 0, "the first branch of the parts"
    assert state.endswith(bytes(7))
    assert not refused_or_read("ledger_fact", fact[:at] + bytes([branch]) + fact[at + 1 :])
    delivery = b"\1" + varint(5) + text("d") + text("/mta")
    assert refused_or_read("consent_state", state[:-4] + b"\2" + delivery + bytes(3))
    assert not refused_or_read("consent_state", state[:-4] + bytes([branch]) + delivery + bytes(3))


@pytest.mark.parametrize("mask", [-1, 8, 256, 1 << 40])
def test_a_mask_of_channels_that_cannot_be_packed_is_refused(mask):
    """A link is packed with one byte for its mask: a bad one must fail where it is read, not where it is written."""
    value = newest()["ledger_fact"].values[1]
    link = bytes(KEY[:1]) + b"c\0" + bytes(range(16, 32))
    assert value.endswith(link + varint(4) + b"\0")
    assert not refused_or_read("ledger_fact", value[:-2] + varint(mask) + b"\0")


def test_what_is_remembered_is_bounded_in_length_and_number():
    known = Remembered(text)
    assert known["x" * 10_000] == text("x" * 10_000)
    assert len(known) == 0, "long texts are not kept"
    for n in range(70_000):
        assert known[f"{n}"] == text(f"{n}")
    assert 0 < len(known) <= 65_536


def test_remembering_does_not_mix_things_up():
    """True equals 1 and 1.0 in Python: what is found under an equal key must have equal bytes, too."""
    value = newest()["consent_state"].values[2]
    for _ in range(3):
        assert encode_registers(decode_registers(value)) == value


@pytest.mark.parametrize("key", [None, b"", b"\0meta", KEY[:-1], KEY + b"\0", HEARTBEAT_KEY, b"\2" + KEY[1:]])
def test_a_ledger_record_without_a_subject_key_is_refused(key):
    """Folded, it would stop the table, overwrite the table's own offsets, or stand in for a heartbeat."""
    (value, *_) = newest()["ledger_fact"].values
    with pytest.raises(WireError) as refused:
        decode_fact(key, value)
    assert refused.value.code == "bad_key"
