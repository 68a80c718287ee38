"""What goes to quarantine is told in the log now and then: where the last one stands, and how many there were."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)
EVERY_S = 30.0


class Refusals:
    """One line of a code (WIRE §3) in EVERY_S, the first at once. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}  # when a line was written, and how many came since

    def tell(self, code: str, place: tuple[str, int, int]) -> None:
        """A record at (topic, partition, offset) was refused. Nothing of it is told: it may be an address."""
        now = self._clock()
        at, count = self._told.get(code, (now - EVERY_S, 0))
        if now - at < EVERY_S:
            self._told[code] = at, count + 1
            return
        self._told[code] = now, 0
        topic, partition, offset = place
        told = {"stage": "intake", "code": code, "topic": topic, "partition": partition, "offset": offset}
        more = f", and {count} more like it in the meantime" if count else ""
        log.warning("quarantined %s at %s/%d offset %d%s", code, *place, more, extra={**told, "more": count})
