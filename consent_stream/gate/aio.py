"""The gate for mailers that run on asyncio: the same answers, and nothing that holds up the loop.

1. `check`, `check_many`, `sift`, `explain` and `status` are the gate's own, called right away: microseconds each, where
   handing a question to a thread would cost more than its answer. Ask long lists in parts, and let others run.
2. What waits (`wait_ready`, `wait_for`, opening, closing, the end of a block of `sending`) does so on a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from consent_stream.gate.explaining import Explanation
from consent_stream.gate.gate import Gate, Receipt, Status
from consent_stream.gate.sending import Permit, Sending
from consent_stream.gate.sift import Sifted
from consent_stream.gate.verdict import Verdict

PATIENCE = 0.25  # seconds that a thread waits at a time: a task that is cancelled leaves none behind for longer


class AsyncGate:
    """A `Gate` with its arguments; opened by `async with`.

        async with AsyncGate(bootstrap="kafka:9092", keys="keys.toml") as gate:
            await gate.wait_ready(60)
            if gate.check(tenant="acme", email="ana@example.com", scope="news"):
                ...

    Errors: those of `Gate`, when it is opened; RuntimeError for a question before.
    """

    def __init__(self, *settings: Any, **about: Any) -> None:
        self._make: Callable[[], Gate] = lambda: Gate(*settings, **about)
        self._opened: Gate | None = None

    async def __aenter__(self) -> Self:
        self._opened = await asyncio.to_thread(self._make)  # it reads files, and may open a store
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return "<AsyncGate, not open>" if self._opened is None else f"<Async{repr(self._opened)[1:]}"

    @property
    def _gate(self) -> Gate:
        if self._opened is None:
            raise RuntimeError("open it first: `async with AsyncGate(…) as gate:`")
        return self._opened

    def check(self, **question: Any) -> Verdict:
        """See `Gate.check`. It does not wait."""
        return self._gate.check(**question)

    def check_many(self, questions: Any) -> list[Verdict]:
        """See `Gate.check_many`. It does not wait, and takes some microseconds a question."""
        return self._gate.check_many(questions)

    def sift(self, **question: Any) -> Sifted:
        """See `Gate.sift`. It does not wait, and takes some microseconds an address."""
        return self._gate.sift(**question)

    def explain(self, **question: Any) -> Explanation:
        """See `Gate.explain`. It does not wait."""
        return self._gate.explain(**question)

    def status(self) -> Status:
        """See `Gate.status`."""
        return self._gate.status()

    def sending(self, **message: Any) -> AsyncSending:
        """See `Gate.sending`: `async with gate.sending(…) as permit:`. `permit` is that of the gate."""
        return AsyncSending(self._gate.sending(**message))

    async def wait_ready(self, seconds: float) -> bool:
        """See `Gate.wait_ready`."""
        return await _wait(seconds, self._gate.wait_ready)

    async def wait_for(self, receipt: Receipt, timeout: float, *, contact: bool = False) -> bool:
        """See `Gate.wait_for`."""
        return await _wait(timeout, lambda seconds: self._gate.wait_for(receipt, seconds, contact=contact))

    async def close(self) -> None:
        """See `Gate.close`. Every later answer is `not_ready`."""
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)


class AsyncSending:
    """The block for one message. Its record is written without waiting for Kafka, as in `Gate.sending`."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def __aenter__(self) -> Permit:
        return self._sending.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._sending.__exit__, kind, error, trace)


async def _wait(seconds: float, reached: Callable[[float], bool]) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        left = max(0.0, deadline - loop.time())
        if await asyncio.to_thread(reached, min(left, PATIENCE)):
            return True
        if left <= PATIENCE and loop.time() >= deadline:
            return False
