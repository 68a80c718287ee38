"""When each fetch was asked for: what its response shows of the end of a partition was true at that instant or later.

aiokafka stamps a response when it gets round to reading it. A process that was frozen in between would stamp an old
end of the log with the time it woke up, and claim to have applied what it has not seen.
"""

from __future__ import annotations

import time
from typing import Any

from faust.types import TP


class FetchClock:
    """Wraps one Fetcher's requests; `asked_ms` holds, per partition, when the last answered request was sent."""

    def __init__(self, fetcher: Any) -> None:
        self.asked_ms: dict[TP, int] = {}
        self._request = fetcher._proc_fetch_request
        fetcher._proc_fetch_request = self._timed

    async def _timed(self, assignment: Any, node_id: int, request: Any) -> Any:
        sent = time.time_ns() // 1_000_000
        asked = [TP(topic, partition) for topic, partitions in request.topics for partition, *_ in partitions]
        states = {tp: state for tp in asked if (state := assignment.state_value(tp)) is not None}
        before = {tp: state.timestamp for tp, state in states.items()}
        result = await self._request(assignment, node_id, request)
        for tp, state in states.items():
            if state.timestamp != before[tp]:  # the response told of it
                self.asked_ms[tp] = sent
        return result
