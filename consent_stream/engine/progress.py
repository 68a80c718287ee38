"""How far each source partition is: delivered, acknowledged, committed. Pure bookkeeping, no I/O, no clock.

A commit is exactly the end of the unbroken acknowledged prefix. Faust's own arithmetic (`Consumer._new_offset`) works
on single offsets, counts holes as acknowledged and forgets the acknowledged offsets of a revoked partition before it
commits them; none of it is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from faust.types import TP

from .slices import SliceMessage


@dataclass(frozen=True)
class Position:
    """How far one source partition has been applied.

    next: the offset wanted after the last proven slice (past transaction markers when nothing else waits).
    timestamp_ms: append time of the last proven record; None before the first one.
    idle_since_ms: when the last fetch whose response showed the end of the partition == next was *asked for*: all that
    was appended before is applied (wall clock of this process, milliseconds). None while records wait. Never "now": a
    stuck fetch must show, and so must a process that was frozen with a response in its socket.
    """

    next: int
    timestamp_ms: int | None
    idle_since_ms: int | None


@dataclass(frozen=True)
class Fetched:
    """What the consumer knew of a partition at one instant: position and end of the log, and when it asked (ms)."""

    position: int | None
    highwater: int | None
    asked_ms: int | None


@dataclass(frozen=True)
class Room:
    """How many more slices of one topic may be in flight, and which of its partitions may send them."""

    slices: int
    partitions: list[TP]


@dataclass
class _Partition:
    next: int  # offset after the last slice delivered
    done: int  # offset after the last slice of the unbroken acknowledged prefix
    committed: int | None = None
    timestamp_ms: int | None = None
    in_flight: deque[SliceMessage] = field(default_factory=deque)
    fetched: Fetched = Fetched(None, None, None)


class Progress:
    """Positions of the partitions this process owns."""

    def __init__(self) -> None:
        self._parts: dict[TP, _Partition] = {}

    def reset(self, starts: dict[TP, int], committed: dict[TP, int | None]) -> None:
        """Forget everything and start each partition at its offset; slices delivered before are void."""
        self._parts = {tp: _Partition(next=at, done=at, committed=committed.get(tp)) for tp, at in starts.items()}

    def clear(self) -> None:
        self._parts = {}

    def __len__(self) -> int:
        return len(self._parts)

    def owns(self, tp: TP) -> bool:
        return tp in self._parts

    def wanted(self, tp: TP) -> int:
        """The next offset to deliver."""
        return self._parts[tp].next

    def deliver(self, message: SliceMessage) -> None:
        part = self._parts[message.tp]
        part.next = message.next_offset
        part.in_flight.append(message)

    def fetched(self, tp: TP, seen: Fetched) -> None:
        """Note a fetch whose records have all been delivered: the position and the log's end belong together."""
        if (part := self._parts.get(tp)) is not None:
            part.fetched = seen

    def room(self, active: Iterable[TP], per_partition: int, per_topic: int) -> dict[str, Room]:
        """Room by topic: a slow stage never holds up the deliveries to another. Topics without room are left out."""
        free: dict[str, int] = {}
        for tp, held in self._parts.items():
            free[tp.topic] = free.get(tp.topic, per_topic) - len(held.in_flight)
        rooms: dict[str, Room] = {}
        for tp in sorted(active):
            part = self._parts.get(tp)
            if part is not None and free[tp.topic] > 0 and len(part.in_flight) < per_partition:
                rooms.setdefault(tp.topic, Room(free[tp.topic], [])).partitions.append(tp)
        return rooms

    def advance(self) -> None:
        """Take acknowledged slices off the front of each partition."""
        for part in self._parts.values():
            while part.in_flight and part.in_flight[0].acked:
                message = part.in_flight.popleft()
                part.done = message.next_offset
                part.timestamp_ms = message.last_timestamp

    def committable(self, owned: Iterable[TP]) -> dict[TP, int]:
        """Offsets worth committing: the acknowledged prefix where it differs from what is committed."""
        found = {}
        for tp in owned:
            part = self._parts.get(tp)
            if part is not None and part.done != (part.committed or 0):
                found[tp] = part.done
        return found

    def committed(self, offsets: dict[TP, int]) -> None:
        for tp, offset in offsets.items():
            if (part := self._parts.get(tp)) is not None:
                part.committed = offset

    def is_committed(self, tp: TP, offset: int) -> bool:
        """Whether the group has exactly that offset of a partition that is still ours."""
        part = self._parts.get(tp)
        return part is not None and (part.committed or 0) == offset

    def positions(self) -> dict[TP, Position]:
        self.advance()
        return {tp: _position(part) for tp, part in self._parts.items()}


def _position(part: _Partition) -> Position:
    if part.in_flight:
        return Position(part.done, part.timestamp_ms, None)
    seen = part.fetched
    # With nothing in flight the consumer may have read past transaction markers, which are no records.
    after = max(part.done, seen.position or 0)
    idle = seen.asked_ms if seen.highwater is not None and seen.highwater == after else None
    return Position(after, part.timestamp_ms, idle)
