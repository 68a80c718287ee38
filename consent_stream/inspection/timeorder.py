"""Records of several partitions, drawn together in the order in which they were written. Pure.

Each partition is in order by itself, near enough. Of those whose past is not read yet, none may be ahead of another: a
record is handed out once every such partition has shown a later one. What comes after their past is handed out at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")


class TimeOrder(Generic[T]):
    """behind: the partitions whose past is not read yet. ahead: records of one that may wait for the others."""

    def __init__(self, behind: Iterable[int], ahead: int) -> None:
        self.behind = set(behind)
        self._ahead = ahead
        self._waiting: dict[int, deque[tuple[int, T]]] = {}

    def add(self, partition: int, at: int, record: T) -> None:
        """The next record of a partition. Units: any, the same for all."""
        self._waiting.setdefault(partition, deque()).append((at, record))

    def caught_up(self, partition: int) -> None:
        """What comes of this partition from now on is new."""
        self.behind.discard(partition)

    def crowded(self) -> set[int]:
        """Partitions that are far enough ahead of others."""
        return {p for p, waiting in self._waiting.items() if len(waiting) >= self._ahead} if self.behind else set()

    def take(self) -> list[T]:
        """Those whose turn it is, in order; each is handed out once."""
        heap: list[tuple[int, int]] = []
        for partition, waiting in self._waiting.items():
            if waiting:
                heappush(heap, (waiting[0][0], partition))
        taken = []
        while heap and all(self._waiting.get(partition) for partition in self.behind):
            _, partition = heappop(heap)
            waiting = self._waiting[partition]
            taken.append(waiting.popleft()[1])
            if waiting:
                heappush(heap, (waiting[0][0], partition))
        return taken
