"""Rates and lag: plain calls with literal instants."""

import pytest

from consent_stream.console.flow import KEPT, STEP, Flow
from consent_stream.wire.vector import Point, Progress
from tests.console.made import NOW, S, vector

T = "consent.events"


def sampled(*points):
    flow = Flow()
    for at, *offsets in points:
        flow.sample(at, {T: dict(enumerate(offsets))})
    return flow


def stages(flow, now=NOW):
    return {stage.name: stage for stage in flow.stages(T, now)}


def test_a_rate_is_how_far_the_ends_went_in_the_last_minute():
    flow = sampled((NOW - 90 * S, 0, 0), (NOW - 60 * S, 100, 200), (NOW - 30 * S, 500, 400), (NOW, 900, 600))
    assert flow.rate(T, NOW) == pytest.approx(1200 / 60)
    assert flow.end(T) == 1500


@pytest.mark.parametrize("points", [[], [(NOW, 5)], [(NOW - 90 * S, 5), (NOW, 9)], [(NOW, 5), (NOW, 9)]])
def test_without_two_samples_of_the_last_minute_there_is_no_rate(points):
    assert sampled(*points).rate(T, NOW) is None


def test_a_topic_made_anew_has_no_rate_below_zero():
    assert sampled((NOW - 10 * S, 1000), (NOW, 3)).rate(T, NOW) == 0


def test_samples_are_forgotten_after_a_quarter_of_an_hour():
    flow = sampled(*((NOW + at * S, at) for at in range(0, 3000, 10)))
    assert len(flow._samples) == KEPT // (10 * S) + 1


def test_a_drawn_rate_has_gaps_where_nothing_was_sampled():
    points = [(NOW - 900 * S + at * S, at * 7) for at in range(0, 300, 2)]
    rates = sampled(*points, (NOW, 300 * 7)).rates(T, NOW)
    assert len(rates) == KEPT // STEP
    assert [rate for _, rate in rates[:10]] == pytest.approx([7] * 10)
    assert [rate for _, rate in rates[11:]] == [None] * 19


def test_lag_of_each_stage_in_records_and_seconds():
    flow = sampled((NOW, 500, 700))
    flow.report(Progress("intake", 0, -1, {0: Point(500, NOW - S)}, (1, 1)))
    assert stages(flow)["intake"].records is None  # of partition 1 nobody tells yet
    flow.report(Progress("intake", 0, -1, {1: Point(690, NOW - 4 * S)}, (1, 1)))
    flow.report(Progress("state", 1, 0, {0: Point(500, NOW - S), 1: Point(640, NOW - 5 * S)}, (1, 1)))
    assert stages(flow)["intake"] == ("intake", 10, 4.0)
    assert stages(flow)["state"] == ("state", None, None)  # of ledger partition 1 nobody tells yet
    flow.report(Progress("state", 1, 1, {0: Point(450, NOW - 9 * S), 1: Point(690, NOW - 2 * S)}, (1, 1)))
    assert stages(flow)["state"] == ("state", 50 + 60, 9.0)


def test_lag_in_seconds_grows_where_nobody_reports():
    flow = sampled((NOW, 500, 500))
    flow.report(Progress("intake", 0, -1, vector(500, NOW), (1, 1)))
    assert [stages(flow, NOW + at * S)["intake"].seconds for at in (0, 30, 600)] == [0, 30, 600]


def test_the_newest_report_stands_also_when_a_clock_was_set_back():
    flow = sampled((NOW, 500, 500))
    flow.report(Progress("intake", 0, -1, vector(500, NOW + 3600 * S), (1, 1)))
    assert stages(flow)["intake"].seconds == 0
    flow.report(Progress("intake", 0, -1, vector(500, NOW - 2 * S), (1, 1)))
    assert stages(flow)["intake"].seconds == 2


@pytest.mark.parametrize("ends", [(), (1,) * 5000])
def test_a_report_of_no_ledger_that_can_be_is_not_kept(ends):
    flow = sampled((NOW, 500, 500))
    flow.report(Progress("intake", 0, -1, vector(500, NOW), ends))
    assert stages(flow)["intake"].records is None


def test_a_ledger_that_became_larger_is_told_only_when_all_of_it_is():
    flow = sampled((NOW, 500, 500))
    for q in (0, 1):
        flow.report(Progress("state", 1, q, vector(500, NOW), (1, 1)))
    assert stages(flow)["state"].records == 0
    flow.report(Progress("state", 1, 0, vector(500, NOW), (1, 1, 1)))
    assert stages(flow)["state"].records is None
