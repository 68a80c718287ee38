"""What goes to quarantine is told in the log now and then: where the last one stands, and how many there were."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from consent_stream.wire.avro import WireError
from consent_stream.wire.records import read_events

log = logging.getLogger(__name__)
EVERY_S = 30.0
MOST_IDS = 10
# Ids of events are the sender's text, and may be addresses. What is a UUID, a ULID or a digest is none, nor a number.
_RANDOM = re.compile(r"(?=.*[A-Za-z])[0-9A-Fa-f-]{16,64}|[0-9A-HJKMNP-TV-Z]{26}")


class Refusals:
    """One line of a code (WIRE §3) in EVERY_S, the first at once. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}  # when a line was written, and how many came since

    def tell(self, code: str, place: tuple[str, int, int], value: Any, events: Sequence[int] = ()) -> None:
        """A record at (topic, partition, offset) was refused. Of what is in it ids alone are told, and not each one.

        events: which of a batch it concerns; none for all.
        """
        now = self._clock()
        at, count = self._told.get(code, (now - EVERY_S, 0))
        if now - at < EVERY_S:
            self._told[code] = at, count + 1
            return
        self._told[code] = now, 0
        topic, partition, offset = place
        told: dict[str, Any] = {"stage": "intake", "code": code}
        told |= {"topic": topic, "partition": partition, "offset": offset, "events": _ids(value, events)}
        more = f", and {count} more like it in the meantime" if count else ""
        log.warning("quarantined %s at %s/%d offset %d%s", code, *place, more, extra={**told, "more": count})


def _ids(value: Any, events: Sequence[int]) -> list[str]:
    """The ids of refused events that can be told."""
    try:
        found = read_events(value)
    except WireError:
        return []
    concerned = [found[index] for index in events] if events else found
    ids = [event.get("id") for event in concerned if isinstance(event, dict)]
    return [each for each in ids if isinstance(each, str) and _RANDOM.fullmatch(each)][:MOST_IDS]
