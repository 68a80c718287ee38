"""Connections: how many at once, and an end to those whose client takes nothing of its answer.

aiohttp bounds the time for a head (`keepalive_timeout`), the size of heads, and what it reads ahead; neither the number
of connections nor how long an answer may wait to be taken. A protocol around aiohttp's own does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from consent_stream.http.limits import Limits


class Connections:
    """All that are open. Calling it makes the protocol of a new one, as `loop.create_server` wants it."""

    def __init__(self, inner: Callable[[], asyncio.Protocol], limits: Limits) -> None:
        """inner: makes aiohttp's protocol."""
        self.inner, self.limits, self.open = inner, limits, 0

    def __call__(self) -> asyncio.Protocol:
        return _Connection(self)


class _Connection(asyncio.Protocol):
    """Passes everything on, and aborts when a write stays paused."""

    def __init__(self, siblings: Connections) -> None:
        self._siblings = siblings
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._siblings.open += 1
        if self._siblings.open > self._siblings.limits.connections:
            self._transport.abort()
            return
        self._inner = self._siblings.inner()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._siblings.open -= 1
        self._calm()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        assert self._inner is not None  # nothing is written before it is made
        assert self._transport is not None
        seconds = self._siblings.limits.write_seconds
        self._patience = asyncio.get_running_loop().call_later(seconds, self._transport.abort)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._calm()
        if self._inner is not None:
            self._inner.resume_writing()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
