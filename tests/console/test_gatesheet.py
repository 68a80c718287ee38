"""How gates stand by their last word."""

import pytest

from consent_stream.console import gatesheet
from consent_stream.console.gatesheet import Gatesheet
from consent_stream.inspection.barrier import FORGOTTEN, SILENT
from tests.console.made import NOW, S, report


def sheet(*reports, now=NOW):
    found = Gatesheet()
    for each in reports:
        found.hear(each, now)
    return found


def states(*reports, now=NOW, active=0):
    return {gate.report.name: gate.state for gate in sheet(*reports, now=now).gates(now, active)}


@pytest.mark.parametrize(
    ("over", "state"),
    [
        ({}, "fresh"),
        ({"staleness": 11 * S}, "stale"),
        ({"staleness": None}, "stale"),
        ({"staleness": 8 * S, "written": NOW - 3 * S}, "stale"),  # 8 s when it wrote, 3 s ago
        ({"ready": False, "trouble": "reading the list"}, "not ready"),
        ({"written": NOW - SILENT - 1}, "silent"),
        ({"written": NOW + SILENT + 1}, "silent"),  # a clock so far ahead is no word of now
        ({"generation": 1}, "other lists"),
    ],
)
def test_a_gate_by_its_last_report(over, state):
    assert states(report(**over)) == {"mta-1": state}


def test_what_generation_it_reads_is_no_fault_while_nobody_can_tell_the_active_one():
    assert states(report(generation=1), active=None) == {"mta-1": "fresh"}


def test_the_worst_come_first():
    found = sheet(
        report("a"), report("b", ready=False), report("c", written=NOW - 20 * S), report("d", staleness=99 * S)
    )
    assert [gate.report.name for gate in found.gates(NOW, 0)] == ["c", "b", "d", "a"]


def test_the_newest_word_stands_whatever_comes_last():
    assert states(report(written=NOW), report(written=NOW - 5 * S, ready=False)) == {"mta-1": "fresh"}


def test_a_gate_that_said_goodbye_is_gone_and_may_come_back():
    gone = report(written=NOW, closing=True)
    assert states(report(), gone) == {}
    assert states(report(), gone, report(written=NOW + S)) == {"mta-1": "fresh"}


def test_a_gate_is_forgotten_after_a_day():
    found = sheet(report(written=NOW))
    assert len(found.gates(NOW + FORGOTTEN - 1, 0)) == 1
    assert found.gates(NOW + FORGOTTEN, 0) == []


def test_through_is_the_least_of_what_it_applied():
    (gate,) = sheet(report()).gates(NOW, 0)
    assert gate.through == NOW - S
    assert gate.behind == pytest.approx(0.75)  # a quarter when it wrote, half a second ago
    (empty,) = sheet(report(applied={})).gates(NOW, 0)
    assert empty.through is None


def test_so_many_gates_are_kept_and_old_ones_make_room(monkeypatch):
    monkeypatch.setattr(gatesheet, "MOST_GATES", 3)
    old = [report(f"old-{at}", written=NOW - FORGOTTEN + 10 * S) for at in range(3)]
    found = sheet(*old, report("new"))
    assert len(found.gates(NOW, 0)) == 3
    later = NOW + 10 * S
    found.hear(report("new", written=later), later)
    assert [gate.report.name for gate in found.gates(later, 0)] == ["new"]
