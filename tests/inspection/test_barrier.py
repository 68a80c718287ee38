"""Who is there, who lags, who is silent: from reports in any order, at literal instants."""

from itertools import permutations

import pytest

from consent_stream.inspection.barrier import FORGOTTEN, SILENT, Reports, control_lag, events_lag
from consent_stream.wire.gate_report import GateReport
from consent_stream.wire.vector import Point

NOON = 1_800_000_000_000_000
SECOND = 1_000_000


def report(
    gate="g1", *, written=NOON, applied=10, settled=None, channel="email", control=5, closing=False, generation=0
):
    applied_vector = {0: Point(applied, 1), 1: Point(applied, 1)}
    settled_vector = {p: Point(applied if settled is None else settled, 1) for p in (0, 1)}
    return GateReport(
        gate, f"mailer of {gate}", "host", channel, f"suppression.{channel}", NOON - SECOND, written, closing,
        "following", True, None, generation, 8, 2, applied_vector, settled_vector, control, 100, 10 * SECOND, 0,
    )  # fmt: skip


def lag(offset=9, *, settled=True, generation=0):
    return events_lag({1: offset}, settled=settled, generation=generation)


def states(found):
    return {each.report.gate: each.state for each in found.gates}


def heard(*reports, what=None):
    found = Reports(what or lag())
    found.hear(reports)
    return found


def test_an_event_is_enforced_where_the_vector_is_beyond_it():
    found = heard(report("g1"), report("g2", applied=9)).barrier(NOON)
    assert states(found) == {"g1": "reached", "g2": "behind"}
    assert not found.passed
    assert found.since is None
    assert next(each.lag for each in found.gates if each.lag) == "has got to 1:9"
    assert heard(report("g1"), report("g2")).barrier(NOON).passed


def test_a_question_without_a_contact_needs_the_settled_vector():
    one = report(applied=10, settled=9)
    assert not heard(one).barrier(NOON).passed
    assert heard(one, what=lag(settled=False)).barrier(NOON).passed


def test_it_holds_since_the_last_gate_first_showed_it_whatever_the_order():
    reports = [report(written=NOON + n * SECOND, applied=8 + n) for n in range(4)] + [report("g2", written=NOON)]
    for order in permutations(reports):
        assert heard(*order).barrier(NOON + 3 * SECOND).since == NOON + 2 * SECOND


def test_nobody_is_not_everybody():
    assert not heard().barrier(NOON).passed
    assert not heard(report(channel="sms")).barrier(NOON, ["email"]).passed


def test_a_gate_that_said_goodbye_is_gone_and_one_that_is_silent_is_named_for_a_day():
    found = heard(report("g1"), report("g2"), report("g2", written=NOON + 1, closing=True))
    assert states(found.barrier(NOON)) == {"g1": "reached"}
    assert states(found.barrier(NOON + SILENT)) == {"g1": "reached"}
    silent = found.barrier(NOON + SILENT + 1)
    assert states(silent) == {"g1": "silent"}
    assert not silent.passed
    assert found.barrier(NOON + FORGOTTEN).gates == ()


@pytest.mark.parametrize(("generation", "passed"), [(0, False), (1, True)])
def test_a_gate_on_the_lists_of_another_generation_is_behind(generation, passed):
    assert heard(report(generation=generation), what=lag(generation=1)).barrier(NOON).passed is passed


def test_a_partition_that_a_gate_knows_nothing_of_is_not_enforced():
    found = heard(report(), what=events_lag({7: 0}, settled=True, generation=0)).barrier(NOON)
    assert found.gates[0].lag == "has got to 7:0"


def test_a_switch_is_obeyed_once_it_is_read():
    assert heard(report(control=5), what=control_lag(4)).barrier(NOON).passed
    assert not heard(report(control=5), what=control_lag(5)).barrier(NOON).passed


def test_a_report_from_a_clock_far_ahead_is_no_word_of_now():
    """Else a gate that has died would count as there until that time comes."""
    found = heard(report(written=NOON + SILENT + 1)).barrier(NOON)
    assert states(found) == {"g1": "silent"}
    assert states(heard(report(written=NOON + SILENT)).barrier(NOON)) == {"g1": "reached"}
