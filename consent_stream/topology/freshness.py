"""How far the events are applied, partition by partition: the arithmetic of progress and heartbeats (WIRE §3).

The intake reports, per partition p of the events, (offset, through) together with `ends`, the end of every ledger
partition asked after the facts before that offset were proven. At ledger partition q the report takes effect once q is
applied up to `ends[q]`. Facts that q derives travel on through the ledger, so q reports its own vector onwards in the
same way. An event can set off two derivations (address → contact → address): WIRE counts one hop, which would call an
address settled whose fact is still on its way through a contact; here the report travels twice.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping

from consent_stream.wire.vector import HOPS, Point, Progress, Vector, join, meet

FUTURE = 10_000_000  # microseconds that clocks of workers may be apart: as many as a gate's answer may be old
_PENDING = 256  # reports of one sender that wait at one partition; beyond that every second one is forgotten


class Waiting:
    """The reports that wait at one ledger partition, and the vectors in effect there."""

    def __init__(self, partition: int, senders: int) -> None:
        self.partition = partition
        self._senders = senders  # ledger partitions
        self._pending: dict[tuple[int, int], list[Progress]] = {}  # by their ends here, the least first
        self._in_effect: list[dict[int, Vector]] = [{} for _ in range(HOPS + 1)]

    def report(self, progress: Progress) -> None:
        """Note a report. One that does not name the end of this partition is of other topics, and void."""
        if not (0 <= progress.hop <= HOPS and self.partition < len(progress.ends) == self._senders):
            return
        sender = progress.partition if progress.hop else min(progress.vector, default=-1)
        pending = self._pending.setdefault((progress.hop, sender), [])
        # In order as a rule; not where old reports are read again, or the ledger was made anew and counts from 0.
        insort(pending, progress, key=self._end)
        if len(pending) > _PENDING:
            del pending[1::2]

    def _end(self, progress: Progress) -> int:
        return progress.ends[self.partition]

    def advance(self, position: int) -> None:
        """Let those reports take effect whose facts lie before `position`, the next offset to apply."""
        for (hop, sender), pending in self._pending.items():
            there, key = self._in_effect[hop], sender if hop else -1
            while pending and self._end(pending[0]) <= position:
                there[key] = join(there.get(key, {}), pending.pop(0).vector)

    def vector(self, hop: int) -> Vector:
        """What is applied here: hop 0 without derived facts, 1 and 2 with those of so many derivations."""
        there = self._in_effect[hop]
        if hop == 0:
            return there.get(-1, {})
        return meet(there[q] for q in range(self._senders)) if len(there) == self._senders else {}

    @property
    def applied(self) -> Vector:
        return self.vector(0)

    @property
    def settled(self) -> Vector:
        return self.vector(HOPS)


def ahead(progress: Progress, now: int) -> bool:
    """Whether a report names an instant that has not come: its writer's clock is wrong, or ours (`now`, microseconds).

    What is in effect is only ever raised. Taken in, such a report would be all that is told of its partitions until the
    time it names, long after that clock was put right.
    """
    return any(point.through > now + FUTURE for point in progress.vector.values())


def event_vector(positions: Mapping[int, tuple[int, int | None, int | None]]) -> Vector:
    """The intake's vector from (next offset, append time of the last applied, time of the last empty fetch), in ms.

    A partition of which nothing is known yet is left out: it is not fresh.
    """
    vector: Vector = {}
    for p, (offset, timestamp_ms, idle_ms) in positions.items():
        through = idle_ms if idle_ms is not None else timestamp_ms
        if through is not None:
            vector[p] = Point(offset, through * 1000)
    return vector
