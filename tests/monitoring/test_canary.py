"""When a press counts as enforced, and when a gate owes. Clocks are literal."""

import pytest

from consent_stream.monitoring.canary import GONE, Canary, Enforced, Name
from consent_stream.monitoring.metrics import Metrics
from consent_stream.wire.gate_report import GateReport
from consent_stream.wire.vector import Point

KEY, OTHER = b"k" * 19, b"o" * 19
MAILER = Name("mailer@h1", "email")


def report(settled=0, *, gate="a", name="mailer", generation=0, closing=False, channel="email"):
    """What gate `a` says that has enforced partition 3 up to an offset."""
    vector = {3: Point(settled, 1)}
    return GateReport(
        gate, name, "h1", channel, f"suppression.{channel}", 0, 0, closing, "following", True, None, generation, 4, 4,
        vector, vector, 0, 10, 10_000_000, 0,
    )  # fmt: skip


@pytest.fixture
def canary():
    found = Canary([KEY, OTHER], patience=30)
    assert list(found.heard(report(100), 0.0)) == []
    return found


def test_a_press_is_enforced_when_a_report_lies_beyond_it(canary):
    press = canary.pressed(KEY, 1.0)
    assert list(canary.found(KEY, (3, 100))) == []
    assert list(canary.heard(report(100), 1.5)) == [], "up to its offset, and not it"
    assert list(canary.heard(report(101), 2.5)) == [Enforced(MAILER, 1.5)]
    assert list(canary.heard(report(102), 3.5)) == [], "once"
    assert (press.owed, canary.last) == (set(), 1.0)


def test_a_report_that_came_before_the_fact_was_found_counts_from_when_it_came(canary):
    canary.pressed(KEY, 1.0)
    assert list(canary.heard(report(101), 2.0)) == []
    assert list(canary.heard(report(105), 3.0)) == []
    assert list(canary.found(KEY, (3, 100))) == [Enforced(MAILER, 1.0)]


def test_a_report_from_before_the_press_proves_nothing(canary):
    """Its vector may be of a topic that was made anew since."""
    list(canary.heard(report(500), 0.5))
    canary.pressed(KEY, 1.0)
    assert list(canary.found(KEY, (3, 100))) == []


def test_a_gate_of_another_generation_does_not_enforce_it(canary):
    canary.generation = 1
    canary.pressed(KEY, 1.0)
    list(canary.found(KEY, (3, 100)))
    assert list(canary.heard(report(900), 2.0)) == []
    assert list(canary.heard(report(101, generation=1), 3.0)) == [Enforced(MAILER, 2.0)]


def test_a_gate_owes_after_patience_and_only_while_it_speaks(canary):
    canary.pressed(KEY, 1.0)
    list(canary.found(KEY, (3, 100)))
    list(canary.heard(report(100), 31.0))
    assert canary.unenforced(31.0) == {MAILER: 0}
    assert canary.unenforced(31.5) == {MAILER: 1}
    assert (canary.states(31.5), canary.states(42.0)) == ({"speaking": 1, "silent": 0}, {"speaking": 0, "silent": 1})
    assert canary.unenforced(42.0) == {MAILER: 0}
    assert list(canary.heard(report(101), 43.0)) == [Enforced(MAILER, 42.0)], "back, and late"
    assert canary.unenforced(43.0) == {MAILER: 0}


def test_a_gate_that_came_later_or_said_goodbye_owes_nothing(canary):
    press = canary.pressed(KEY, 1.0)
    list(canary.heard(report(0, gate="late"), 1.5))
    list(canary.found(KEY, (3, 100)))
    assert press.owed == {"a"}
    assert list(canary.heard(report(0, closing=True), 2.0)) == []
    assert press.owed == set()
    assert canary.unenforced(99.0).get(MAILER) == 0


def test_two_processes_of_one_sender_and_host_are_one_name_and_both_owe(canary):
    list(canary.heard(report(100, gate="b"), 0.0))
    canary.pressed(KEY, 1.0)
    list(canary.found(KEY, (3, 100)))
    assert list(canary.heard(report(101, gate="b"), 2.0)) == [Enforced(MAILER, 1.0)]
    list(canary.heard(report(100), 40.0))
    assert canary.unenforced(40.0) == {MAILER: 1}


def test_an_address_is_not_pressed_again_before_it_was_found(canary):
    first = canary.next_key(1.0)
    canary.pressed(first, 1.0)
    second = canary.next_key(61.0)
    canary.pressed(second, 61.0)
    assert {first, second} == {KEY, OTHER}
    assert canary.next_key(121.0) is None
    assert (canary.lost(61.0), canary.lost(121.0)) == (1, 2)
    list(canary.found(first, (3, 100)))
    assert canary.next_key(121.0) == first
    assert canary.lost(121.0) == 1


def test_a_press_that_was_refused_is_no_longer_waited_for(canary):
    press = canary.pressed(KEY, 1.0)
    canary.failed(press)
    assert canary.lost(99.0) == 0
    assert list(canary.found(KEY, (3, 100))) == []


def test_gates_and_presses_are_forgotten_in_the_end(canary):
    canary.pressed(KEY, 1.0)
    list(canary.found(KEY, (3, 100)))
    assert canary.next_key(GONE + 2) is not None
    assert (canary.names(), canary.placed()) == (set(), [])


def test_figures_tell_of_gates_that_are_there_and_no_others(canary):
    metrics = Metrics(canary, lambda: 3.0, lambda at: at + 1000)
    canary.pressed(KEY, 1.0)
    list(canary.found(KEY, (3, 100)))
    for each in canary.heard(report(101), 2.5):
        metrics.enforced(each)
    value = metrics.registry.get_sample_value
    labels = {"gate": "mailer@h1", "list": "email"}
    assert value("consent_enforcement_seconds_sum", labels) == 1.5
    assert value("consent_enforcement_seconds_bucket", {**labels, "le": "1.0"}) == 0
    assert value("consent_canary_unenforced", labels) == 0
    assert value("consent_canary_gates", {"state": "speaking"}) == 1
    assert value("consent_canary_last_enforced_timestamp_seconds") == 1001
    assert value("consent_canary_presses_total", {"outcome": "failed"}) == 0
    metrics.keep(set())
    assert value("consent_enforcement_seconds_sum", labels) is None
