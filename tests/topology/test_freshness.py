"""The arithmetic of heartbeats: what a ledger partition may claim to have applied, and when."""

from __future__ import annotations

from random import Random

import pytest

from consent_stream.topology.freshness import _PENDING, FUTURE, Waiting, ahead, event_vector
from consent_stream.wire.vector import HOPS, Point, Progress, Vector, join, meet

HOUR = 3_600_000_000


def intake(p: int, offset: int, through: int, *ends: int) -> Progress:
    return Progress("intake", 0, -1, {p: Point(offset, through)}, ends)


def owner(hop: int, q: int, vector: Vector, *ends: int) -> Progress:
    return Progress("state", hop, q, vector, ends)


def test_a_report_takes_effect_when_the_facts_before_it_are_applied():
    waiting = Waiting(1, 2)
    waiting.report(intake(0, 10, HOUR, 99, 5))
    waiting.advance(4)
    assert waiting.applied == {}
    waiting.advance(5)
    assert waiting.applied == {0: Point(10, HOUR)}


def test_each_partition_of_the_events_is_told_of_by_its_own_reports():
    waiting = Waiting(0, 1)
    waiting.report(intake(0, 10, HOUR, 3))
    waiting.report(intake(4, 7, 2 * HOUR, 8))
    waiting.advance(3)
    assert waiting.applied == {0: Point(10, HOUR)}
    waiting.advance(8)
    assert waiting.applied == {0: Point(10, HOUR), 4: Point(7, 2 * HOUR)}


def test_reports_in_any_order_come_to_the_same_and_never_go_back():
    reports = [intake(p, 10 * i, i * HOUR, i) for p in (0, 1) for i in range(1, 8)]
    for seed in range(50):
        waiting, shuffled = Waiting(0, 1), Random(seed).sample(reports, len(reports))
        best = -1
        for position, report in enumerate(shuffled):
            waiting.report(report)
            waiting.advance(position)
            now = waiting.applied.get(0, Point(-1, 0)).offset
            assert now >= best
            best = now
        waiting.advance(7)
        assert waiting.applied == {0: Point(70, 7 * HOUR), 1: Point(70, 7 * HOUR)}


def test_a_repeated_report_changes_nothing():
    """A worker that gets a partition reads the reports of the last minute again."""
    waiting = Waiting(0, 1)
    for report in (intake(0, 10, HOUR, 1), intake(0, 20, 2 * HOUR, 2), intake(0, 10, HOUR, 1)):
        waiting.report(report)
        waiting.advance(2)
    assert waiting.applied == {0: Point(20, 2 * HOUR)}


@pytest.mark.parametrize("ends", [(), (1,), (1, 1, 1)])
def test_a_report_of_other_topics_is_void(ends):
    waiting = Waiting(0, 2)
    waiting.report(intake(0, 10, HOUR, *ends))
    waiting.report(owner(1, 0, {0: Point(10, HOUR)}, *ends))
    waiting.advance(1_000)
    assert (waiting.applied, waiting.vector(1)) == ({}, {})


@pytest.mark.parametrize("hop", [-1, HOPS + 1, 99])
def test_a_report_of_a_hop_that_is_none_is_void(hop):
    waiting = Waiting(0, 1)
    waiting.report(owner(hop, 0, {0: Point(10, HOUR)}, 0))
    waiting.advance(1_000)
    assert [waiting.vector(each) for each in range(HOPS + 1)] == [{}] * (HOPS + 1)


def test_nothing_is_settled_before_every_partition_has_told():
    waiting = Waiting(0, 3)
    for q in (0, 2):
        waiting.report(owner(HOPS, q, {0: Point(5, HOUR), 1: Point(5, HOUR)}, 0, 0, 0))
    waiting.advance(0)
    assert waiting.settled == {}
    waiting.report(owner(HOPS, 1, {0: Point(3, 2 * HOUR)}, 0, 0, 0))
    waiting.advance(0)
    assert waiting.settled == {0: Point(3, HOUR)}, "the least of all, and no partition that one of them lacks"


def test_settled_waits_for_the_derived_facts_on_their_way():
    """ana@ unsubscribes at q0; her contact lives at q1, her other mailbox at q2."""
    applied = {0: Point(8, HOUR)}
    mailbox = Waiting(2, 3)
    mailbox.report(intake(0, 8, HOUR, 6, 0, 0))  # her own fact is the only one so far
    mailbox.advance(0)
    assert mailbox.applied == applied  # a check that gives the contact may rely on it
    assert mailbox.settled == {}
    for q in range(3):  # each partition has applied the intake's facts; q0 wrote one for the contact, at q1
        mailbox.report(owner(1, q, applied, 6, 1, 0))
    mailbox.advance(0)
    assert mailbox.settled == {}, "the contact has not passed it on"
    for q in range(3):  # q1 applied it and wrote one for the other mailbox
        mailbox.report(owner(2, q, applied, 6, 1, 1))
    mailbox.advance(0)
    assert mailbox.settled == {}, "it is in the ledger, not applied"
    mailbox.advance(1)
    assert mailbox.settled == applied


def test_more_reports_than_can_wait_lose_only_detail():
    waiting = Waiting(0, 1)
    last = _PENDING * 5
    for i in range(1, last + 1):
        waiting.report(intake(0, i, i, i))
    waiting.advance(last // 2)
    assert 0 < waiting.applied[0].offset <= last // 2
    waiting.advance(last)
    assert waiting.applied == {0: Point(last, last)}


def test_a_report_of_a_ledger_that_was_longer_holds_no_later_one_back():
    """A ledger made anew, or cut, within the minute of reports that a worker reads when it starts."""
    waiting = Waiting(0, 1)
    waiting.report(intake(0, 900, HOUR, 1_000_000))
    for i in range(1, 3 * _PENDING):
        waiting.report(intake(0, i, HOUR + i, i))
        waiting.advance(i)
        assert waiting.applied == {0: Point(i, HOUR + i)}


# -- a whole deployment, made up: events cause facts, facts cause facts, and everyone reports when it pleases


class Deployment:
    """Three ledger partitions. Each event makes one fact, which makes up to one more, which makes up to one more."""

    def __init__(self, seed: int, partitions: int = 3, sources: int = 2) -> None:
        self.random = Random(seed)
        self.ledger: list[list[tuple[int, int, int]]] = [[] for _ in range(partitions)]  # (p, offset, derivations left)
        self.events = [0] * sources  # next offset
        self.position = [0] * partitions
        self.waiting = [Waiting(q, partitions) for q in range(partitions)]
        self.progress: list[Progress] = []
        self.read = [0] * partitions
        self.clock = 0

    def step(self) -> None:
        self.clock += 1
        self.random.choice((self.arrive, self.fold, self.fold, self.tell_intake, self.tell_owner, self.receive))()

    def arrive(self) -> None:
        p = self.random.randrange(len(self.events))
        self._append(p, self.events[p], self.random.randrange(HOPS + 1))
        self.events[p] += 1

    def _append(self, p: int, offset: int, left: int) -> None:
        self.random.choice(self.ledger).append((p, offset, left))

    def fold(self) -> None:
        q = self.random.randrange(len(self.ledger))
        for _ in range(self.random.randrange(4)):
            if self.position[q] < len(self.ledger[q]):
                p, offset, left = self.ledger[q][self.position[q]]
                if left:
                    self._append(p, offset, left - 1)  # proven before the position moves
                self.position[q] += 1

    def _ends(self) -> tuple[int, ...]:
        return tuple(map(len, self.ledger))

    def tell_intake(self) -> None:
        p = self.random.randrange(len(self.events))
        self.progress.append(intake(p, self.events[p], self.clock, *self._ends()))

    def tell_owner(self) -> None:
        q = self.random.randrange(len(self.ledger))
        self.waiting[q].advance(self.position[q])
        for hop in range(HOPS):
            self.progress.append(owner(hop + 1, q, self.waiting[q].vector(hop), *self._ends()))

    def receive(self) -> None:
        q = self.random.randrange(len(self.ledger))
        upto = self.random.randint(self.read[q], len(self.progress))
        for report in self.progress[self.read[q] : upto]:
            self.waiting[q].report(report)
        self.read[q] = upto

    def lies(self, hop: int) -> list[tuple[int, int, int]]:
        """Facts that some partition says it has applied, of events so old, while they or what made them wait."""
        found = []
        for waiting in self.waiting:
            q = waiting.partition
            waiting.advance(self.position[q])
            claimed = waiting.vector(hop)
            for other, facts in enumerate(self.ledger):
                for p, offset, left in facts[self.position[other] :]:
                    # At q itself nothing may wait; elsewhere nothing that can still reach q.
                    if offset < claimed.get(p, Point(0, 0)).offset and (other == q or (left and hop == HOPS)):
                        found.append((q, p, offset))
        return found


@pytest.mark.parametrize("seed", range(60))
def test_no_one_claims_what_is_still_on_its_way(seed):
    deployment = Deployment(seed)
    for _ in range(300):
        deployment.step()
        assert deployment.lies(HOPS) == []
    for _ in range(200):  # nothing arrives any more: everything comes to rest, and is said to have
        deployment.fold()
        deployment.tell_intake()
        deployment.tell_owner()
        deployment.receive()
    for waiting in deployment.waiting:
        waiting.advance(deployment.position[waiting.partition])
        assert {p: point.offset for p, point in waiting.settled.items()} == dict(enumerate(deployment.events))


def test_one_hop_fewer_would_lie():
    """Why reports travel as often as facts are derived: with one hop less, some schedule breaks the promise."""
    broken = 0
    for seed in range(60):
        deployment = Deployment(seed)
        for _ in range(300):
            deployment.step()
            broken += bool(deployment.lies(HOPS - 1))
    assert broken


# -- vectors


def test_the_intake_tells_of_the_last_empty_fetch_or_of_the_last_record_applied():
    told = event_vector({0: (10, 5, None), 1: (20, 5, 7), 2: (0, None, 9), 3: (0, None, None)})
    assert told == {0: Point(10, 5_000), 1: Point(20, 7_000), 2: Point(0, 9_000)}


def test_a_report_that_names_an_instant_to_come_is_told_apart():
    now = HOUR
    assert not ahead(intake(0, 1, now + FUTURE, 9), now)
    assert ahead(intake(0, 1, now + FUTURE + 1, 9), now)
    assert ahead(owner(1, 0, {0: Point(1, now), 1: Point(1, 2 * HOUR)}, 9), now)
    assert not ahead(owner(1, 0, {}, 9), now)


def test_join_and_meet():
    a, b = {0: Point(5, 50), 1: Point(9, 10)}, {0: Point(7, 40), 2: Point(1, 1)}
    assert join(a, b) == {0: Point(7, 50), 1: Point(9, 10), 2: Point(1, 1)}
    assert meet([a, b]) == {0: Point(5, 40)}
    assert meet([]) == {}
