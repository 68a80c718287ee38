"""What edges hold back from the claims of the intake: the arithmetic of `consent.edges`.

The intake claims of partition p "every record appended before A is applied". Readers take it for "every event accepted
before A". With an edge whose spool is sent later these differ: an event that it accepted at t may be appended long
after. The edge's beat says that all it accepted before `through` lies before `ends[p]`; so the beat takes effect at p
once p is applied up to `ends[p]`, and A is never claimed beyond what is in effect of every edge. Clocks of different
machines are not compared to find out what is applied, offsets are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from consent_stream.wire.edges import EdgeBeat
from consent_stream.wire.vector import Point, Vector

_PENDING = 4096  # beats of one edge that wait at one partition; beyond that every second one is forgotten
FOREVER = 1 << 62


class _Edge:
    def __init__(self, since: int) -> None:
        self.since = since
        self.waiting: dict[int, deque[tuple[int, int]]] = {}  # by partition: (end, through), the least first
        self.in_effect: dict[int, int] = {}

    def note(self, beat: EdgeBeat) -> None:
        through = FOREVER if beat.ended else beat.through
        for p, end in enumerate(beat.ends):
            waiting = self.waiting.setdefault(p, deque())
            if waiting and waiting[-1][0] > end:  # `consent.events` was made anew, and counts from 0
                waiting.clear()
            if waiting and waiting[-1][0] == end:
                waiting[-1] = (end, max(through, waiting[-1][1]))
            else:
                waiting.append((end, through))
            if len(waiting) > _PENDING:
                self.waiting[p] = deque(list(waiting)[1::2])

    def through(self, p: int, offset: int) -> int:
        waiting = self.waiting.setdefault(p, deque())
        while waiting and waiting[0][0] <= offset:
            # An edge that had gone may be back: what it says last counts, also where that is less.
            _, self.in_effect[p] = waiting.popleft()
        return self.in_effect.get(p, self.since)


class Edges:
    """All edges that are known, and what they let the intake claim."""

    def __init__(self) -> None:
        self._edges: dict[str, _Edge] = {}

    def note(self, beat: EdgeBeat) -> None:
        """Take a beat, in the order of the topic."""
        self._edges.setdefault(beat.id, _Edge(beat.since)).note(beat)

    def forget(self, ident: str) -> None:
        """An edge is no more."""
        self._edges.pop(ident, None)

    def bound(self, vector: Mapping[int, Point]) -> Vector:
        """The vector with no instant beyond what every edge has given."""
        return {
            p: Point(offset, min([through, *(each.through(p, offset) for each in self._edges.values())]))
            for p, (offset, through) in vector.items()
        }
