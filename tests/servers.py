"""A server of ours in a thread of the test, on a port of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiohttp import web

from consent_stream.http.app import Check, anyone
from consent_stream.http.service import Service
from consent_stream.http.serving import bind, served

SOON = 20.0  # seconds that nothing here should need


@contextmanager
def on_a_thread(service: Service, routes: Iterable[web.RouteDef], check: Check = anyone) -> Iterator[int]:
    """The port on which it answers while the block runs; then it has ended in order."""
    bound = bind("127.0.0.1", 0)
    loop, end, up = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def run() -> None:
        async with served(service, bound, routes, check):
            up.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    try:
        assert up.wait(SOON)
        yield bound.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(SOON)
        loop.close()
    assert not thread.is_alive()
