"""What a report claims: only what the very next answer rests on. Clocks are numbers, and nothing is sent."""

import pytest

from consent_stream.gate import reporting
from consent_stream.gate.clock import Clock
from consent_stream.gate.gate import Status
from consent_stream.gate.reading import Record
from consent_stream.gate.reporting import Author
from consent_stream.wire.gate_report import decode_report, encode_report
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.stops import Stop, encode_stop
from tests.gate.made import beat
from tests.gate.mailer import Mailer


class Follower:
    """As far as an author looks."""

    turn, control_next, list = 0, 3, "suppression.email.g1"


class Written:
    """An author whose gate is a mailer of the tests."""

    def __init__(self, mailer):
        self.mailer, self.follower = mailer, Follower()
        clock = Clock(lambda: mailer.wall, lambda: mailer.steady)
        who = ("5c" * 16, "newsletter")
        self.author = Author(lambda: who, "email", 10.0, mailer.reading, self.follower, self._status, clock)

    def _status(self):
        applied, settled = self.mailer.checker.moments()
        late = settled.age / 1e6 if settled.fresh else None
        about = {"entries": len(self.mailer.reading), "alarms": {}, "silent": (), "clock_behind": 0.0}
        return Status("of the first generation", self.mailer.reading.phase, not settled.gap,
                      self.mailer.reading.trouble, applied_through=applied.fresh and applied.fresh.through,
                      staleness=None, settled_through=None, settled_staleness=late, **about)  # fmt: skip

    def report(self, closing=False):
        found = self.author.compose(closing)
        assert decode_report(encode_report(found)[1]) == found
        return found


@pytest.fixture
def mailer():
    return Mailer()


@pytest.fixture
def written(mailer, monkeypatch):
    monkeypatch.setattr(reporting, "PATIENCE", 0.01)
    return Written(mailer)


def offsets(vector):
    return {p: point.offset for p, point in vector.items()}


def test_it_tells_of_the_gate_and_how_far_it_is(written, mailer):
    mailer.get_ready()
    mailer.pass_time(2)
    found = written.report()
    assert (found.gate, found.name, found.channel, found.list) == ("5c" * 16, "newsletter", "email", Follower.list)
    assert (offsets(found.applied), offsets(found.settled), found.control) == ({0: 10, 1: 10}, {0: 10, 1: 10}, 3)
    assert (found.phase, found.ready, found.trouble, found.closing) == ("following", True, None, False)
    assert (found.partitions, found.events, found.entries) == (2, 2, 0)
    assert (found.written, found.staleness, found.staleness_limit) == (mailer.wall, 2_000_000, 10_000_000)


def test_the_last_one_promises_no_more_answers(written, mailer):
    mailer.get_ready()
    found = written.report(closing=True)
    assert (found.closing, found.ready) == (True, False)


def test_nothing_is_claimed_before_all_is_there(written, mailer):
    mailer.beats()
    found = written.report()
    assert (found.applied, found.settled, found.control) == ({}, {}, 0)
    assert not found.ready
    mailer.reading.caught_up()
    assert offsets(written.report().settled) == {0: 10, 1: 10}


def test_nothing_is_claimed_once_the_session_is_lost(written, mailer):
    mailer.get_ready()
    assert written.report().settled
    mailer.reading.reconnect("Kafka is away")
    found = written.report()
    assert (found.settled, found.control, found.trouble) == ({}, 0, "Kafka is away")


def test_what_was_heard_but_is_not_in_the_replica_yet_is_not_claimed(written, mailer):
    """While a batch is taken in, its heartbeats are known before its rows are stored."""
    mailer.get_ready()
    assert offsets(written.report().settled) == {0: 10, 1: 10}
    written.follower.turn, written.follower.control_next = 1, 4
    mailer.beats(offset=20)
    mailer.control(encode_stop("acme", "email", Stop(True, "", "", 1)))
    found = written.report()
    assert (offsets(found.settled), found.control) == ({0: 10, 1: 10}, 3)
    written.follower.turn = 2
    found = written.report()
    assert (offsets(found.settled), found.control) == ({0: 20, 1: 20}, 4)


def test_in_the_middle_of_a_batch_of_another_session_nothing_is_claimed(written, mailer):
    mailer.get_ready()
    written.report()
    mailer.reading.reconnect("Kafka is away")
    written.follower.turn = 1
    mailer.reading.caught_up()
    mailer.beats(offset=20)
    assert written.report().settled == {}


def test_a_partition_of_the_list_that_has_not_spoken_holds_back_all(written, mailer):
    mailer.reading.caught_up()
    mailer.reading.take([Record(0, 0, HEARTBEAT_KEY, beat(0, through=mailer.wall))], mailer.wall, mailer.steady)
    assert written.report().settled == {}
    mailer.reading.take([Record(1, 0, HEARTBEAT_KEY, beat(1, through=mailer.wall, offset=7))], mailer.wall, 0)
    assert offsets(written.report().settled) == {0: 7, 1: 7}
