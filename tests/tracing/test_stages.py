"""Spans of the worker's stages and of a gate: of the traced events and of no other, each called by its neighbours."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from consent_stream.domain.facts import Fact
from consent_stream.engine import Slice, Unread
from consent_stream.gate.traced import RARE, Applied, last_long, likely
from consent_stream.topology.fold import Effects, Folder
from consent_stream.topology.traced import Stages
from consent_stream.tracing import Sampling, Span
from consent_stream.wire.avro import long, text
from consent_stream.wire.keys import HEARTBEAT_KEY
from tests.topology.made_up import KEYS, NOON, POLICY, event, facts_of, granted
from tests.tracing.kept import Kept

LISTS = {"email": "suppression.email", "sms": "suppression.sms", "sharing": "suppression.sharing"}


def stages(step: int) -> tuple[Stages, list[Span]]:
    traces = Kept(step)
    return Stages(traces, POLICY, KEYS, LISTS), traces.spans


def record(offset: int, value: Any) -> Any:
    raw = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
    return SimpleNamespace(offset=offset, timestamp=NOON // 1000, key=None, value=raw, headers=())


def folded(facts: list[tuple[int, Fact]]) -> Effects:
    return Folder(POLICY).fold(facts, [(key, None) for key in dict.fromkeys(fact.key for _, fact in facts)])


def test_of_a_slice_with_holes_the_traced_events_alone_have_a_span() -> None:
    made, spans = stages(4)  # offsets 2, 6, 10, …
    records = [record(offset, event("unsubscribe.oneclick", f"e{offset}")) for offset in (0, 1, 2, 5, 6, 7, 9, 11, 14)]
    made.intake(Slice("consent.events", 3, 0, records), began=1)
    assert [span.place for span in spans] == [(3, 2), (3, 6), (3, 14)]
    assert {(span.stage, span.name, span.code, span.attributes["consent.facts"]) for span in spans} == {
        ("intake", ("intake",), "", 1)
    }


@pytest.mark.parametrize("value", [b"no JSON", None, {"email": "ana@example.com"}])
def test_what_is_refused_has_a_code_and_nothing_of_its_own(value: Any) -> None:
    made, spans = stages(1)
    made.intake(Slice("consent.events", 3, 0, [record(0, value)]), began=1)
    (span,) = spans
    assert span.code
    assert set(span.attributes) == {"messaging.destination.name", "messaging.batch.message_count", "consent.facts"}


def test_a_batch_that_was_not_unpacked_has_no_span() -> None:
    made, spans = stages(1)
    unread = record(0, b"")
    unread.value = Unread(b"")
    made.intake(Slice("consent.events", 3, 0, [unread]), began=1)
    assert spans == []


def test_the_list_record_belongs_to_the_event_that_changed_it_last() -> None:
    """Two events of one person in one slice: one record of the list, of the later one."""
    facts = [(40 + at, fact) for at, fact in enumerate(facts_of(granted(), event()))]
    made, spans = stages(1)
    piece = Slice("consent.ledger", 5, 40, [record(offset, b"") for offset, _ in facts])
    made.state(piece, facts, folded(facts), began=1, folded=2)
    assert [(span.stage, span.place, span.name) for span in spans] == [
        ("state", (0, 0), ("state", "5", "40")),
        ("state", (0, 1), ("state", "5", "41")),
        ("list email", (0, 1), ("list", "suppression.email", "5", "42")),
    ]
    assert spans[-1].parent == spans[1].name
    assert (spans[-1].start, spans[1].start) == (2, 1)


def test_what_a_sender_made_up_is_told_as_other() -> None:
    """An unknown type that ends like a withdrawal is one (RULES §6); its name, and a tenant's, can be anything."""
    made, spans = stages(1)
    odd = {**event("ana@example.com.withdrawn"), "tenant": "bo@example.com"}
    made.intake(Slice("consent.events", 3, 0, [record(0, odd)]), began=1)
    assert [(span.attributes["consent.tenant"], span.attributes["consent.type"]) for span in spans] == [
        ("other", "other")
    ]


def test_events_that_are_not_traced_have_no_span_in_the_state_stage() -> None:
    facts = [(40 + at, fact) for at, fact in enumerate(facts_of(granted(), event()))]
    made, spans = stages(8)
    made.state(Slice("consent.ledger", 5, 40, [record(40, b"")]), facts, folded(facts), began=1, folded=2)
    assert spans == []


@pytest.mark.parametrize(("step", "traced"), [(1, [0, 1, 2]), (2, [1])])
def test_a_gate_names_the_writers_span_above_its_own(step: int, traced: list[int]) -> None:
    events = [event("unsubscribe.oneclick", f"e{at}", email=f"p{at}@example.com", channel="email") for at in range(3)]
    facts = list(enumerate(facts_of(*events)))
    entries = [(5, 90 + at, key, entry) for at, (_, key, entry) in enumerate(folded(facts).entries)]
    traces = Kept(step)
    beats = [(5, 99, HEARTBEAT_KEY, b"\xc3\x01 a heartbeat"), (5, 100, b"k", None)]
    Applied(traces, "mailer").taken("suppression.email", [*entries, *beats], began=1)
    assert [span.place for span in traces.spans] == [(0, at) for at in traced]
    assert [span.parent for span in traces.spans] == [("list", "suppression.email", "5", str(at + 1)) for at in traced]
    assert {span.name for span in traces.spans} == {None}


def test_a_gate_finds_a_rare_traced_event_among_others() -> None:
    template = facts_of(event())[0]
    facts = [(at, template._replace(key=KEYS.subject("acme", "email", f"p{at}@example.com"), offset=at))
             for at in range(400)]  # fmt: skip
    entries = [(5, at, key, entry) for at, (_, key, entry) in enumerate(folded(facts).entries)]
    traces = Kept(128)
    Applied(traces, "mailer").taken("suppression.email", entries, began=1)
    assert [span.place for span in traces.spans] == [(0, 64), (0, 192), (0, 320)]


@pytest.mark.parametrize("step", [RARE, 1024, 1 << 20])
def test_a_glance_misses_no_traced_event_and_few_others_pass(step: int) -> None:
    sampling, chance = Sampling(step), Random(step)

    def ending(offset: int) -> tuple[int, int, bytes, bytes]:
        return 0, 0, b"key", b"\xc3\x01" + text("an id") + long(chance.randrange(100)) + long(offset)

    for bits in range(8, 41):
        traced = [ending(offset) for offset in sampling.within(1 << bits - 1, 1 << bits)[:200]]
        assert likely(traced, step) == traced
    others = [ending(offset) for offset in range(1_000_000, 1_005_000) if not sampling.takes(offset)]
    assert len(list(likely(others, step))) < 500


@pytest.mark.parametrize("offset", [0, 1, 63, 64, 127, 128, 8191, 8192, 1 << 40])
@pytest.mark.parametrize("partition", [0, 63, 64, 5000])
def test_the_offset_ends_a_record(offset: int, partition: int) -> None:
    assert last_long(text("an id") + long(partition) + long(offset)) == offset
    assert last_long(long(offset)) == offset
