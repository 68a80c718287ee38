"""How fast records come, and how far each stage is behind: from ends of topics and reports in `consent.progress`. Pure.

1. A rate is how far the ends of a topic went in a span. Markers of transactions count as records there.
2. A stage has applied what its newest reports say. Of each partition the newest stands, also where it tells of less: a
   worker whose clock was set back begins its reports again.
3. Lag in seconds is the age of the instant before which everything is through, so it grows where nobody reports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from consent_stream.wire.vector import HOPS, Progress, Vector, meet

KEPT = 900_000_000  # microseconds of samples
SPAN = 60_000_000  # over which a rate is told
STEP = 30_000_000  # of a drawn rate
MOST_PARTITIONS = 4096  # reports name theirs; more than a topic can sensibly have are not kept

STAGES = ("intake", "state", "derived")  # by the hop of their reports

Ends = Mapping[int, int]  # partition → offset behind its last record


class Stage(NamedTuple):
    """One stage. records: events that are not through it; seconds: age of the instant before which all are. None where
    reports do not tell."""

    name: str
    records: int | None
    seconds: float | None


class Flow:
    """Samples of ends by topic, and the newest report of each stage and partition."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Mapping[str, Ends]]] = deque()
        self._intake: Vector = {}
        self._state: dict[tuple[int, int], Vector] = {}  # (hop, ledger partition)
        self._ledger = 0  # its partitions

    def sample(self, at: int, ends: Mapping[str, Ends]) -> None:
        """The ends of all topics at an instant (µs)."""
        self._samples.append((at, ends))
        while at - self._samples[0][0] > KEPT:
            self._samples.popleft()

    def report(self, progress: Progress) -> None:
        """One record of `consent.progress`."""
        if len(progress.vector) > MOST_PARTITIONS or not 0 < len(progress.ends) <= MOST_PARTITIONS:
            return
        self._ledger = len(progress.ends)
        if progress.hop == 0:
            self._intake.update(progress.vector)
        elif 0 < progress.hop <= HOPS and 0 <= progress.partition < self._ledger:
            self._state[progress.hop, progress.partition] = progress.vector

    def end(self, topic: str) -> int | None:
        """Records that a topic ever had, about."""
        return _total(self._samples[-1][1], topic) if self._samples else None

    def rate(self, topic: str, now: int) -> float | None:
        """Records a second of the last minute; None before there are two samples of it."""
        recent = [(at, _total(ends, topic)) for at, ends in self._samples if now - at <= SPAN]
        return _slope(recent)

    def rates(self, topic: str, now: int) -> list[tuple[int, float | None]]:
        """(begin of a step in µs, records a second in it) of all that is kept, the oldest first; None where unknown."""
        found = []
        for begin in range(now - KEPT, now, STEP):
            # A step ends where the next begins, and the samples of both ends count in both.
            within = [
                (at, _total(ends, topic)) for at, ends in self._samples if begin <= at <= begin + STEP + STEP // 8
            ]
            found.append((begin, _slope(within)))
        return found

    def stages(self, topic: str, now: int) -> list[Stage]:
        """Intake, state with the lists, and facts derived over links. topic: of the events."""
        ends = self._samples[-1][1].get(topic, {}) if self._samples else {}
        vectors = [self._intake, *(self._state_vector(hop) for hop in range(1, HOPS + 1))]
        return [_stage(name, vector, ends, now) for name, vector in zip(STAGES, vectors, strict=True)]

    def _state_vector(self, hop: int) -> Vector:
        reports = [self._state.get((hop, q)) for q in range(self._ledger)]
        told = [report for report in reports if report is not None]
        return meet(told) if told and len(told) == len(reports) else {}


def _total(ends: Mapping[str, Ends], topic: str) -> int:
    return sum(ends.get(topic, {}).values())


def _slope(points: Iterable[tuple[int, int]]) -> float | None:
    known = list(points)
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    (began, least), (ended, most) = known[0], known[-1]
    return max(0.0, (most - least) / (ended - began) * 1e6)  # topics that are made anew begin at 0


def _stage(name: str, vector: Vector, ends: Ends, now: int) -> Stage:
    if not ends or any(p not in vector for p in ends):
        return Stage(name, None, None)
    records = sum(max(0, end - vector[p].offset) for p, end in ends.items())
    return Stage(name, records, max(0, now - min(vector[p].through for p in ends)) / 1e6)
