"""Lanes: several copies of an agent's body, each with its own partitions: one works while another waits for proof.

Faust's `concurrency` lets whichever copy is free take the next message, and two slices of one partition may then be
worked on at once. A lane owns its partitions (number modulo lanes): their order is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Lanes:
    """Shares one channel between `count` readers by partition. One of the waiting readers reads for all."""

    def __init__(self, channel: Any, count: int) -> None:
        self._channel = channel
        self._boxes: list[deque[Any]] = [deque() for _ in range(count)]
        self._wake = [asyncio.Event() for _ in range(count)]
        self._reading = False

    async def next(self, lane: int) -> Any:
        """The next event for `lane`. Errors: StopAsyncIteration when the channel ends."""
        box = self._boxes[lane]
        while not box:
            if self._reading:
                self._wake[lane].clear()
                await self._wake[lane].wait()
                continue
            self._reading = True
            try:
                event = await self._channel.__anext__()
            finally:
                self._reading = False
                for wake in self._wake:  # whoever has work takes it, one of the others reads on
                    wake.set()
            self._boxes[event.message.partition % len(self._boxes)].append(event)
        return box.popleft()
