"""Proof that `consent.control` has been read to its end: the kill switch stands there, and lists say nothing of it.

A partition that cannot be fetched is silent, and so is one in which nothing happens. So its end is asked for, time and
again and without waiting; what was read up to the end of then is all that had been said by then.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

EVERY = 500_000  # microseconds between two questions
TIMEOUT = 5.0  # seconds for one answer


class ControlWatch:
    """When the control topic was last seen to be read whole. Used from one thread.

    connect: makes a client. One that has failed is given up, for after its broker's restart librdkafka's admin client
    goes on asking with the leader epoch of before (FENCED_LEADER_EPOCH) and never looks again.
    """

    def __init__(self, connect: Callable[[], AdminClient], topic: str) -> None:
        self._connect, self._admin = connect, connect()
        self._place = TopicPartition(topic, 0)
        self._asking: Future[Any] | None = None
        self._asked = 0
        self._end: tuple[int, int] | None = None  # when it was asked, and the end of then

    def proven(self, position: int, steady: int) -> int | None:
        """The newest instant by which all that had been written is before `position`; None when none is known yet.

        Call it often. Units: microseconds of the steady clock.
        """
        if self._asking is not None and self._asking.done():
            if self._asking.exception() is None:
                self._end = (self._asked, self._asking.result().offset)
            else:  # no proof; without one the answers grow stale
                self._admin = self._connect()
            self._asking = None
        if self._asking is None and (self._asked == 0 or steady - self._asked >= EVERY):
            self._asked = steady
            request = {self._place: OffsetSpec.latest()}
            self._asking = self._admin.list_offsets(request, request_timeout=TIMEOUT)[self._place]
        if self._end is not None and position >= self._end[1]:
            return self._end[0]
        return None
