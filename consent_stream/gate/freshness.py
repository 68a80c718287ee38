"""How fresh a replica is: from the heartbeats in every partition of its list (WIRE §3). Clocks are arguments.

1. A heartbeat of partition q says what is enforced by the records before it in q. All partitions together are as fresh
   as the worst of them, and a partition of the list or of the events that nobody spoke for makes them not fresh.
2. The age of an instant is the greater of two readings: by the wall clock, and by the steady clock since the instant
   was first heard of. So a wall clock set back, or a heartbeat that repeats itself, makes nothing younger.
3. A heartbeat from the future means that this clock is slow: then ages are worth nothing.
4. Or the writer's was fast. An instant that lies ahead of this clock gives way to any lower one that comes later, and
   that makes nothing younger: else the claims of a clock put right since would stand until the time they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from consent_stream.wire.vector import Heartbeat, Point, Vector, join, meet

NEVER = -(1 << 62)
MOST_PARTITIONS = 100_000  # more than a cluster has: a heartbeat that claims more is none


class Fresh(NamedTuple):
    """One bound over all partitions. through: everything before is enforced (µs, wall clock).

    since: when the worst partition was of age zero (µs, steady clock). ahead: how far a writer's clock was before ours.
    """

    through: int
    since: int
    ahead: int

    def age(self, wall: int, steady: int) -> int:
        """Microseconds since `through`, never negative."""
        return max(wall - self.through, steady - self.since, 0)


class _Instant(NamedTuple):
    through: int
    since: int


class _Heard:
    """What one partition of the list has told: a vector, and when each of its instants was first heard of."""

    def __init__(self) -> None:
        self.vector: Vector = {}
        self._instants: dict[int, _Instant] = {}

    def hear(self, vector: Mapping[int, Point], wall: int, steady: int) -> None:
        for p, point in vector.items():
            known, since = self._instants.get(p), steady - max(0, wall - point.through)
            if known is None or point.through > known.through:
                self._instants[p] = _Instant(point.through, since)
            elif point.through < known.through and known.through > wall:
                self._instants[p] = _Instant(point.through, min(known.since, since))
        self.vector = join(self.vector, vector)

    def worst(self, events: int) -> _Instant | None:
        """The least over all partitions of the events; None when one is missing."""
        known = [self._instants[p] for p in range(events) if p in self._instants]
        return _least(known) if known and len(known) == events else None


class _Side:
    """The `applied` or the `settled` vectors of all partitions of the list."""

    def __init__(self, partitions: int) -> None:
        self.heard = [_Heard() for _ in range(partitions)]
        self._worst: list[_Instant | None] = [None] * partitions

    def sum_up(self, q: int, events: int) -> _Instant | None:
        """After news in `q`: the bound over all partitions. A heartbeat costs P + Q so, not P × Q."""
        self._worst[q] = self.heard[q].worst(events)
        known = [each for each in self._worst if each is not None]
        return _least(known) if len(known) == len(self._worst) else None

    def offset(self, p: int) -> int:
        points = [heard.vector.get(p) for heard in self.heard]
        return min((0 if point is None else point.offset for point in points), default=0)

    def vector(self) -> Vector:
        return meet(heard.vector for heard in self.heard)


def _least(instants: list[_Instant]) -> _Instant:
    return _Instant(min(each.through for each in instants), min(each.since for each in instants))


class Freshness:
    """The heartbeats of one list. `applied` and `settled` are None until every partition has spoken for every other.

    Laws: more heartbeats of a generation, in any order, never lower a `through` that is past; a repeated heartbeat
    changes no age.
    """

    def __init__(self, partitions: int, events: int = 0) -> None:
        """partitions: of the list. events: of `consent.events`, when known; heartbeats can only raise it."""
        self.partitions = partitions
        self.events = events
        self.applied: Fresh | None = None
        self.settled: Fresh | None = None
        self._start(generation=0)

    def _start(self, generation: int) -> None:
        self.generation = generation
        self.applied = self.settled = None
        self._sides = (_Side(self.partitions), _Side(self.partitions))
        self._ahead = [NEVER] * self.partitions

    def expect(self, events: int) -> None:
        """`consent.events` has so many partitions: a vector with fewer is not whole."""
        if events > self.events:
            self.events = events
            for q in range(self.partitions):
                self._sum_up(q)

    def hear(self, q: int, beat: Heartbeat, wall: int, steady: int) -> bool:
        """A heartbeat read from partition `q`; False when it says nothing here (wrong partition, old generation).

        Units: `wall`, `steady` microseconds of the reader's two clocks on arrival.
        """
        if beat.partition != q or not 0 <= q < self.partitions or not 0 < beat.partitions <= MOST_PARTITIONS:
            return False
        if beat.generation < self.generation:
            return False
        if beat.generation > self.generation:  # rebuilt state: what the one before had applied proves nothing
            self._start(beat.generation)
        for side, vector in zip(self._sides, (beat.applied, beat.settled), strict=True):
            side.heard[q].hear(vector, wall, steady)
        self._ahead[q] = max([beat.written, *(point.through for point in beat.applied.values())]) - wall
        self.expect(beat.partitions)
        self._sum_up(q)
        return True

    def offset(self, p: int, settled: bool) -> int:
        """Every record of partition `p` of the events with a smaller offset is enforced; 0 while that is unknown."""
        return self._sides[settled].offset(p)

    def vector(self, settled: bool) -> Vector:
        """What every partition of the list has told; a partition of the events that one of them left out is not in."""
        return self._sides[settled].vector()

    def missing(self) -> list[int]:
        """Partitions of the list that have not spoken for every partition of the events."""
        return [q for q, heard in enumerate(self._sides[1].heard) if heard.worst(self.events) is None]

    def _sum_up(self, q: int) -> None:
        bounds = [side.sum_up(q, self.events) for side in self._sides]
        ahead = max(self._ahead)
        applied, settled = (None if bound is None else Fresh(*bound, ahead) for bound in bounds)
        self.applied, self.settled = applied, settled
