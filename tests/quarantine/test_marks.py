"""Marks in the audit: what they are of, and what they are not of."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.wire.edges import ForgottenEdge, encode_forgotten
from consent_stream.wire.marks import BEGUN, DROPPED, REPLAYED, Mark, Marks, decode_mark, encode_mark
from consent_stream.wire.stops import Stop, encode_audit

AT = 1_772_366_400_000_000
PLACES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=30)


def mark(action: str, *places: tuple[int, int], at: int = AT) -> Mark:
    return Mark(action, at, "kim", "looked at", places)


@given(st.sampled_from((BEGUN, REPLAYED, DROPPED)), PLACES)
def test_a_mark_comes_back_as_it_was(action: str, places: list[tuple[int, int]]) -> None:
    said = mark(action, *places)
    assert decode_mark(encode_mark(said)) == said._replace(places=tuple(sorted(set(places))))


@given(st.lists(st.tuples(PLACES, st.integers(AT - 3, AT + 3)), max_size=8), st.integers(AT - 3, AT + 3))
def test_a_place_has_the_last_mark_that_is_of_it(said: list[tuple[list[tuple[int, int]], int]], written: int) -> None:
    marks = Marks()
    for places, at in said:
        marks.note(encode_mark(mark(DROPPED, *places, at=at)))
    for place in [(p, offset) for p in range(4) for offset in range(41)]:
        whens = [when for places, when in said if place in places and when >= written]
        found = marks.of(place, written)
        assert (found and found.at) == max(whens, default=None)


def test_what_was_only_begun_marks_nothing() -> None:
    marks = Marks()
    assert marks.note(encode_mark(mark(BEGUN, (0, 1)))) == []
    assert marks.of((0, 1), AT) is None
    assert marks.note(encode_mark(mark(REPLAYED, (0, 1), (0, 2), (1, 7)))) == [(0, 1, 2), (1, 7, 7)]
    assert marks.of((0, 1), AT) == mark(REPLAYED)


def test_a_topic_made_anew_has_no_marks() -> None:
    marks = Marks()
    marks.note(encode_mark(mark(DROPPED, (0, 1))))
    assert marks.of((0, 1), AT + 1) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"7",
        b'{"action":"quarantine.dropped"}',
        encode_audit("*", "email", Stop(True, "r", "kim", AT)),
        encode_forgotten(ForgottenEdge("e", "kim", "r", AT)),
        orjson.dumps({**mark(DROPPED)._asdict(), "places": {"x": [[1, 2]]}}),
        orjson.dumps({**mark(DROPPED)._asdict(), "places": {"0": [[1]]}}),
        orjson.dumps({**mark(DROPPED)._asdict(), "places": {"0": [["1", 2]]}}),
        orjson.dumps({**mark(DROPPED)._asdict(), "places": [[1, 2]]}),
        orjson.dumps({**mark(DROPPED)._asdict(), "at": "now", "places": {}}),
        orjson.dumps({**mark(DROPPED)._asdict(), "action": "quarantine.eaten", "places": {"0": [[1, 2]]}}),
    ],
)
def test_what_is_no_mark_is_none(value: bytes | None) -> None:
    assert decode_mark(value) is None
    assert Marks().note(value) == []
