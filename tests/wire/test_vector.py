"""Vectors: least and greatest of what is applied, and their bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.wire.avro import WireError
from consent_stream.wire.vector import (
    Heartbeat,
    Point,
    Progress,
    decode_heartbeat,
    decode_progress,
    encode_heartbeat,
    encode_progress,
    join,
    meet,
)

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
INTS = st.integers(-(1 << 31), (1 << 31) - 1)
POINTS = st.builds(Point, LONGS, LONGS)
VECTORS = st.dictionaries(st.integers(0, 5), POINTS)


@given(st.builds(Heartbeat, INTS, INTS, INTS, LONGS, VECTORS, VECTORS))
def test_heartbeats_round_trip(beat):
    value = encode_heartbeat(beat)
    assert decode_heartbeat(value) == beat
    shuffled = beat._replace(applied=dict(reversed(beat.applied.items())))
    assert encode_heartbeat(shuffled) == value, "equal vectors are equal bytes"


@given(st.builds(Progress, st.text(max_size=9), INTS, INTS, VECTORS, st.lists(LONGS, max_size=4).map(tuple)))
def test_progress_round_trips(progress):
    found = decode_progress(encode_progress(progress))
    assert found == progress
    assert isinstance(found.ends, tuple)
    assert all(isinstance(point, Point) for point in found.vector.values())


def test_one_is_not_the_other():
    beat = encode_heartbeat(Heartbeat(0, 0, 1, 0, {}, {}))
    for decode, value in ((decode_progress, beat), (decode_heartbeat, encode_progress(Progress("", 0, 0, {}, ())))):
        with pytest.raises(WireError) as caught:
            decode(value)
        assert caught.value.code == "unknown_schema"


@given(VECTORS, VECTORS, VECTORS)
def test_join_and_meet_are_greatest_and_least(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(a, join(b, c)) == join(join(a, b), c)
    assert join(a, a) == meet([a, a]) == meet([a]) == a
    assert meet([a, b, c]) == meet([c, b, a])
    assert set(meet([a, b])) == set(a) & set(b), "a partition that one lacks is not applied"
    assert set(join(a, b)) == set(a) | set(b)
    for p, least in meet([a, b]).items():
        greatest = join(a, b)[p]
        assert least.offset == min(a[p].offset, b[p].offset) <= greatest.offset == max(a[p].offset, b[p].offset)
        assert least.through == min(a[p].through, b[p].through) <= greatest.through


def test_nothing_at_all_has_applied_nothing():
    assert meet([]) == {}
    assert meet([{}, {0: Point(5, 5)}]) == {}
    assert join({}, {0: Point(5, 5)}) == {0: Point(5, 5)}


@given(VECTORS, VECTORS)
def test_arguments_are_left_alone(a, b):
    before = dict(a), dict(b)
    join(a, b)
    meet([a, b])
    assert (a, b) == before
