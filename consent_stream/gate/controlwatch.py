"""Proof that `consent.control` has been read to its end: the kill switch stands there, and lists say nothing of it.

A partition that cannot be fetched is silent, and so is one in which nothing happens. So its end is asked for, time and
again and without waiting; what was read up to the end of then is all that had been said by then.
"""

from __future__ import annotations

from confluent_kafka import KafkaException

from consent_stream.logends import LogEnds

EVERY = 500_000  # microseconds between two questions


class ControlWatch:
    """When the control topic was last seen to be read whole. Used from one thread."""

    def __init__(self, log_ends: LogEnds, topic: str) -> None:
        self._log_ends = log_ends
        self._place = (topic, 0)
        self._asking = False
        self._asked = 0
        self._end: tuple[int, int] | None = None  # when it was asked, and the end of then

    def proven(self, position: int, steady: int) -> int | None:
        """The newest instant by which all that had been written is before `position`; None when none is known yet.

        Call it often. Units: microseconds of the steady clock.
        """
        if self._asking:
            try:
                told = self._log_ends.answer()
            except KafkaException:  # no proof; without one the answers grow stale
                self._asking = False
            else:
                if told is not None:
                    self._end, self._asking = (self._asked, told[self._place]), False
        if not self._asking and (self._asked == 0 or steady - self._asked >= EVERY):
            self._asked, self._asking = steady, True
            self._log_ends.ask([self._place])
        if self._end is not None and position >= self._end[1]:
            return self._end[0]
        return None
