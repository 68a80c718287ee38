"""Slices: how fetched records are cut, and that Faust never decodes them."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.engine.slices import Slice, SliceMessage, SliceSchema, cut


def record(offset: int, value: bytes | None = b"v", key: bytes | None = b"k", timestamp: int = 1000) -> ConsumerRecord:
    return ConsumerRecord("t", 0, offset, timestamp, 0, key, value, None, 1, 1, ())


def test_a_slice_ends_after_its_last_record() -> None:
    """Trap: the group's offset is the next record wanted. Last + 0 or a `>` on it lost a record per restart."""
    piece = Slice("t", 0, 5, [record(5), record(9)])
    assert (piece.first, piece.next, len(piece)) == (5, 10, 2)
    message = SliceMessage(piece, epoch=3, generation_id=7)
    assert (message.next_offset, message.epoch, message.generation_id, message.last_timestamp) == (10, 3, 7, 1000)


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    max_records=st.integers(1, 10),
    max_bytes=st.integers(1, 100),
)
def test_cuts_cover_every_record_within_the_limits(sizes: list[int], max_records: int, max_bytes: int) -> None:
    records = [record(offset, b"x" * size, None) for offset, size in enumerate(sizes)]
    runs = list(cut(records, max_records, max_bytes))
    assert [r.offset for run in runs for r in run] == list(range(len(sizes)))
    for run in runs:
        assert 1 <= len(run) <= max_records
        assert len(run) == 1 or sum(len(r.value) for r in run) <= max_bytes


def test_a_null_value_and_key_weigh_nothing() -> None:
    assert [len(run) for run in cut([record(0, None, None), record(1, None, None)], 10, 1)] == [2]


def test_the_schema_hands_the_slice_over_undecoded() -> None:
    """Trap: a decode error inside Faust acknowledges the message before anyone sees it."""
    garbage = Slice("t", 0, 0, [record(0, b"\xff not json")])
    made: list[object] = []
    app = SimpleNamespace(create_event=lambda *event: made.append(event) or event)
    decode = SliceSchema().compile(app, on_key_decode_error=pytest.fail, on_value_decode_error=pytest.fail)
    message = SimpleNamespace(value=garbage)
    asyncio.run(decode(message, propagate=True))
    assert made == [(None, garbage, {}, message)]
