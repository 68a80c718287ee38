"""decode(encode(x)) == x for everything the domain can hold; equal registers are equal bytes; any reader agrees."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.clearing import minor_until
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import Standing, on_list
from consent_stream.wire.avro import long, read_long, read_time
from consent_stream.wire.change import encode_change
from consent_stream.wire.gate_report import GateReport, decode_report, encode_report
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.send import OUTCOMES, Send, decode_send, encode_send
from consent_stream.wire.state import decode_registers, encode_registers
from consent_stream.wire.suppression import decode_entry, encode_entry
from consent_stream.wire.vector import Point, rows_of

from . import told
from .reference import HEADER, OddBlocks, fastavro_reads, varint, without_logical_types
from .released import newest
from .strategies import FACTS, FLAGS, LONGS, REGISTERS, SUBJECT_KEYS, TEXTS, slots

# Times far outside of what a calendar holds are fine for us; a reader's own date type need not hold them.
PHYSICAL = {name: json.dumps(without_logical_types(json.loads(release.schema))) for name, release in newest().items()}

STANDINGS = st.builds(
    Standing,
    st.sampled_from(["SUPPRESSED", "PARTIAL", "CLEAR"]),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.lists(TEXTS, max_size=3).map(tuple),
    TEXTS,
)
VERSIONS = st.integers(0, 1 << 62)
LISTS = st.sampled_from(["email", "sms", "sharing"])


@given(FACTS)
def test_facts(fact):
    value = encode_fact(fact)
    assert decode_fact(fact.key, value) == fact
    assert fastavro_reads(PHYSICAL["ledger_fact"], value[HEADER:]) == told.fact(fact)
    assert decode_fact(fact.key, value[:HEADER] + OddBlocks(PHYSICAL["ledger_fact"]).write(told.fact(fact))) == fact


@settings(max_examples=50)
@given(REGISTERS)
def test_registers(reg):
    value = encode_registers(reg)
    found = decode_registers(value)
    assert slots(found) == slots(reg)
    assert encode_registers(found) == value
    assert fastavro_reads(PHYSICAL["consent_state"], value[HEADER:]) == told.registers(reg)
    odd = value[:HEADER] + OddBlocks(PHYSICAL["consent_state"]).write(told.registers(reg))
    assert slots(decode_registers(odd)) == slots(reg)


@settings(max_examples=50)
@given(st.lists(FACTS, max_size=5).flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts))))
def test_equal_registers_are_equal_bytes_in_whatever_order_they_were_filled(orders):
    values = []
    for facts in orders:
        reg = Registers("acme", 0)
        for fact in [*facts, *facts[:2]]:
            reg.apply(fact._replace(tenant="acme"))
        values.append(encode_registers(reg))
    assert values[0] == values[1]


@settings(max_examples=50)
@given(REGISTERS, REGISTERS)
def test_different_registers_are_different_bytes(one, other):
    assert (encode_registers(one) == encode_registers(other)) == (slots(one) == slots(other))


@settings(max_examples=50)
@given(REGISTERS, LISTS, STANDINGS, FACTS, VERSIONS, st.integers(0, 1 << 30))
def test_entries_hold_what_concerns_their_list(reg, channel, now, cause, version, generation):
    value = encode_entry(reg, channel, now, cause, version, generation)
    minor = minor_until(reg, cause.received)
    shown = told.entry(reg, channel, now, cause, version, generation, minor)
    assert fastavro_reads(PHYSICAL["suppression"], value[HEADER:]) == shown
    entry = decode_entry(value)
    assert (entry.tenant, entry.channel, entry.status) == (reg.tenant, channel, now.status)
    assert (entry.reasons, entry.blocked_scopes) == (now.reasons, now.blocked_scopes)
    assert (entry.version, entry.generation, entry.minor_until) == (version, generation, minor)
    assert (entry.cause_id, entry.cause_partition, entry.cause_offset) == (cause.id, cause.partition, cause.offset)
    wanted = slots(reg)
    here = {
        "restrictions": {slot: r for slot, r in reg.restrictions.items() if on_list(r.node, channel)},
        "grants": [grant for grant in wanted["grants"] if on_list(grant.node, channel)],
        "lifts": {slot: lifts for slot, lifts in reg.lifts.items() if on_list(slot[1], channel)},
        "requested": {},
        "links": {},
    }
    if channel == "sharing":
        here |= {"bounced": None, "delivered": None}
    elif reg.bounced is None:
        here["delivered"] = None
    assert slots(entry.registers) == wanted | here


@given(LISTS, STANDINGS, STANDINGS, FACTS, VERSIONS)
def test_changes(channel, before, after, cause, version):
    value = encode_change(channel, before, after, cause, version)
    shown = told.change(channel, before, after, cause, version)
    assert fastavro_reads(PHYSICAL["consent_change"], value[HEADER:]) == shown


KEY_LISTS = st.lists(SUBJECT_KEYS, max_size=3).map(tuple)
TEXT_LISTS = st.lists(TEXTS, max_size=3).map(tuple)
SENDS = st.builds(
    Send, TEXTS, LISTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, KEY_LISTS, KEY_LISTS, TEXTS, FLAGS, LONGS,
    st.none() | LONGS, LONGS, st.sampled_from(OUTCOMES), FLAGS, TEXT_LISTS, TEXT_LISTS, st.integers(0, 1 << 30), LONGS,
    st.none() | LONGS, LONGS,
)  # fmt: skip


@given(SENDS)
def test_sends(send):
    value = encode_send(send)
    assert decode_send(value) == send
    shown = {name: list(part) if isinstance(part, tuple) else part for name, part in send._asdict().items()}
    assert fastavro_reads(PHYSICAL["send"], value[HEADER:]) == shown
    assert decode_send(value[:HEADER] + OddBlocks(PHYSICAL["send"]).write(shown)) == send


VECTORS = st.dictionaries(st.integers(0, 1 << 30), st.builds(Point, LONGS, LONGS), max_size=3)
COUNTS = st.integers(0, 1 << 30)
REPORTS = st.builds(
    GateReport, TEXTS, TEXTS, TEXTS, LISTS, TEXTS, LONGS, LONGS, FLAGS, TEXTS, FLAGS, st.none() | TEXTS, COUNTS, COUNTS,
    COUNTS, VECTORS, VECTORS, LONGS, LONGS, LONGS, st.none() | LONGS,
)  # fmt: skip


@given(REPORTS)
def test_reports(report):
    key, value = encode_report(report)
    assert key == report.gate.encode()
    assert decode_report(value) == report
    shown = report._asdict() | {name: rows_of(getattr(report, name)) for name in ("applied", "settled")}
    assert fastavro_reads(PHYSICAL["gate_report"], value[HEADER:]) == shown
    assert decode_report(value[:HEADER] + OddBlocks(PHYSICAL["gate_report"]).write(shown)) == report


@given(LONGS)
@settings(max_examples=1000)
def test_numbers(n):
    raw = long(n)
    assert raw == varint(n)
    assert read_long(raw, 0) == read_time(raw, 0) == (n, len(raw))
    assert read_time(b"\x80" + raw + b"\x80" * 9, 1) == (n, 1 + len(raw))


def test_numbers_beside_every_power_of_two():
    """Where the quick ways of writing begin and end: one spelling for each number, or equal state had unequal bytes."""
    for power in range(64):
        for beside in (-2, -1, 0, 1, 2):
            for n in ((1 << power) + beside, -(1 << power) + beside):
                if -(1 << 63) <= n < 1 << 63:
                    assert long(n) == varint(n)
                    assert read_time(long(n) + b"\x80" * 9, 0) == (n, len(varint(n)))
