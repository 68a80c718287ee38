"""Freshness arithmetic, with both clocks as plain numbers (microseconds)."""

import random

import pytest

from consent_stream.gate.freshness import Freshness
from consent_stream.wire.vector import Point
from tests.gate.made import SECOND, heartbeat

NOON = 1_800_000_000 * SECOND


def heard(*beats, partitions=2, wall=NOON, steady=0):
    fresh = Freshness(partitions)
    for each in beats:
        assert fresh.hear(each.partition, each, wall, steady)
    return fresh


def test_the_age_is_that_of_the_worst_partition():
    fresh = heard(heartbeat(0, through=NOON - 1 * SECOND), heartbeat(1, through=NOON - 3 * SECOND))
    assert fresh.applied.through == NOON - 3 * SECOND
    assert fresh.applied.age(NOON, 0) == 3 * SECOND


def test_a_partition_of_the_list_that_is_silent_leaves_nothing_fresh():
    fresh = heard(heartbeat(0, through=NOON))
    assert fresh.applied is None
    assert fresh.settled is None
    assert fresh.missing() == [1]


def test_a_partition_of_the_events_that_nobody_spoke_for_leaves_nothing_fresh():
    partial = heartbeat(1, through=NOON)._replace(applied={0: Point(1, NOON)}, settled={0: Point(1, NOON)})
    fresh = heard(heartbeat(0, through=NOON), partial)
    assert fresh.applied is None
    assert fresh.missing() == [1]


def test_more_partitions_of_the_events_than_a_vector_has_are_missing():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    assert fresh.applied is not None
    fresh.expect(3)
    assert fresh.applied is None
    assert fresh.missing() == [0, 1]


def test_the_settled_vector_is_a_bound_of_its_own():
    late = {0: Point(4, NOON - 5 * SECOND), 1: Point(6, NOON)}
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON, settled=late))
    assert fresh.applied.age(NOON, 0) == 0
    assert fresh.settled.age(NOON, 0) == 5 * SECOND
    assert [fresh.offset(p, settled=False) for p in (0, 1)] == [10, 10]
    assert [fresh.offset(p, settled=True) for p in (0, 1)] == [4, 6]


def test_an_offset_is_enforced_when_every_partition_says_so():
    fresh = heard(heartbeat(0, through=NOON, offset=9), heartbeat(1, through=NOON, offset=7))
    assert fresh.offset(0, settled=False) == 7
    assert fresh.offset(5, settled=False) == 0


def test_the_clock_runs_on_while_no_heartbeat_comes():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    assert fresh.applied.age(NOON + 4 * SECOND, 4 * SECOND) == 4 * SECOND


@pytest.mark.parametrize("jump", [-3600 * SECOND, 0, 3600 * SECOND])
def test_a_wall_clock_that_jumps_makes_nothing_younger(jump):
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    assert fresh.applied.age(NOON + 20 * SECOND + jump, 20 * SECOND) >= 20 * SECOND


def test_an_age_on_arrival_outlives_a_wall_clock_set_back():
    fresh = heard(heartbeat(0, through=NOON - 5 * SECOND), heartbeat(1, through=NOON))
    assert fresh.applied.age(NOON - 3600 * SECOND, 1 * SECOND) == 6 * SECOND


def test_the_steady_age_is_that_of_the_partition_heard_of_first():
    fresh = heard(heartbeat(0, through=NOON))
    fresh.hear(1, heartbeat(1, through=NOON + 5 * SECOND), NOON + 5 * SECOND, 5 * SECOND)
    assert fresh.applied.age(NOON - 3600 * SECOND, 6 * SECOND) == 6 * SECOND


def test_a_machine_that_slept_shows_by_its_wall_clock():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    assert fresh.applied.age(NOON + 600 * SECOND, 1 * SECOND) == 600 * SECOND


def test_a_heartbeat_that_repeats_itself_does_not_stop_the_clock():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    for second in range(1, 20):
        wall = NOON - 3600 * SECOND  # and the wall clock was set back meanwhile
        for q in (0, 1):
            fresh.hear(q, heartbeat(q, through=NOON, written=wall), wall, second * SECOND)
    assert fresh.applied.age(NOON - 3600 * SECOND, 20 * SECOND) == 20 * SECOND


def test_news_makes_young_again():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    later = NOON + 60 * SECOND
    for q in (0, 1):
        fresh.hear(q, heartbeat(q, through=later - SECOND), later, 60 * SECOND)
    assert fresh.applied.age(later, 60 * SECOND) == SECOND


def test_a_writer_whose_clock_is_before_ours_is_told():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON, written=NOON + 30 * SECOND))
    assert fresh.applied.ahead == 30 * SECOND
    fresh.hear(1, heartbeat(1, through=NOON + SECOND, written=NOON + SECOND), NOON + SECOND, SECOND)
    assert fresh.applied.ahead == 0


def test_an_instant_in_the_future_is_told_too():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON + 30 * SECOND, written=NOON))
    assert fresh.applied.ahead == 30 * SECOND


FAST = NOON + 3600 * SECOND


def test_a_clock_that_was_fast_and_is_right_again_holds_nothing_back():
    fresh = heard(heartbeat(0, through=FAST), heartbeat(1, through=FAST))
    for second in (1, 2):
        wall = NOON + second * SECOND
        for q in (0, 1):
            fresh.hear(q, heartbeat(q, through=wall), wall, second * SECOND)
    assert fresh.applied == (NOON + 2 * SECOND, 2 * SECOND, 0)


def test_what_a_fast_clock_claimed_does_not_make_a_dead_worker_young():
    """A gate that starts reads both: of the wrong clock, and of the right one, whose worker died five minutes ago."""
    dead = NOON - 300 * SECOND
    fresh = heard(*(heartbeat(q, through=through) for through in (FAST, dead) for q in (0, 1)))
    assert fresh.applied.age(NOON, 0) == 300 * SECOND


def test_an_older_claim_in_place_of_one_from_the_future_makes_nothing_younger():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    slow = NOON - SECOND // 2  # our clock was set back by a little more than the time since
    for q in (0, 1):
        fresh.hear(q, heartbeat(q, through=NOON - SECOND // 4), slow, SECOND // 4)
    assert fresh.applied.age(slow, SECOND // 4) == SECOND // 4


def test_a_heartbeat_in_the_wrong_partition_says_nothing():
    fresh = Freshness(2)
    assert not fresh.hear(0, heartbeat(1, through=NOON), NOON, 0)
    assert not fresh.hear(2, heartbeat(2, through=NOON), NOON, 0)
    assert fresh.missing() == [0, 1]


@pytest.mark.parametrize("claimed", [-1, 0, 1 << 40])
def test_a_heartbeat_that_counts_partitions_that_cannot_be_says_nothing(claimed):
    fresh = Freshness(1)
    assert not fresh.hear(0, heartbeat(0, through=NOON)._replace(partitions=claimed), NOON, 0)
    assert fresh.applied is None


def test_a_new_generation_starts_from_nothing_and_an_old_one_is_not_heard():
    fresh = heard(heartbeat(0, through=NOON), heartbeat(1, through=NOON))
    assert fresh.hear(0, heartbeat(0, through=NOON - SECOND, generation=1, offset=2), NOON, 0)
    assert fresh.applied is None
    assert not fresh.hear(1, heartbeat(1, through=NOON), NOON, 0)
    assert fresh.hear(1, heartbeat(1, through=NOON, generation=1, offset=3), NOON, 0)
    assert fresh.offset(0, settled=False) == 2
    assert fresh.applied.through == NOON - SECOND


def test_any_order_of_heartbeats_gives_one_bound():
    beats = [heartbeat(q, through=NOON + each * SECOND, offset=each) for q in (0, 1) for each in range(8)]
    bounds = set()
    for seed in range(50):
        order = random.Random(seed).sample(beats, len(beats))
        fresh = heard(*order, wall=NOON + 8 * SECOND)
        bounds.add((fresh.applied, fresh.settled and fresh.settled.through, fresh.offset(1, settled=True)))
    assert len({bound[0].through for bound in bounds}) == 1
    assert {bound[2] for bound in bounds} == {7}
    assert {bound[0].age(NOON + 8 * SECOND, 0) for bound in bounds} == {SECOND}
