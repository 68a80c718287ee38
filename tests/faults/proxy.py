"""A link that somebody tampers with: a TCP relay on loopback whose delay, rate and life a test sets while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PIECE = 1 << 16  # bytes


class Link:
    """A relay from `port` to a target port.

    delay: seconds each piece is late by, in each direction. rate: bytes a second and connection, None as fast as it
    goes. dark: nothing comes through and nobody is told, as behind a firewall that drops. Set them at any time.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.rate: float | None = None
        self.dark = False
        self.port = self._target = 0
        self.carried = 0  # bytes, in both directions
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="link")
        self._listening = threading.Event()

    def start(self, port: int = 0) -> Link:
        """Listen on `port`, 0 for a free one. Connections are refused until `lead_to`."""
        self.port = port
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def lead_to(self, target: int) -> None:
        self._target = target

    def cut(self) -> None:
        """Reset all connections; new ones are taken."""
        self._loop.call_soon_threadsafe(self._cut)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # -- on the thread

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._listening.set()
        self._loop.run_forever()
        self._cut()
        for task in self._tasks:
            task.cancel()
        self._server.close()
        self._loop.run_until_complete(self._ended())
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _ended(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            answers, there = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(there)
            await asyncio.gather(self._relay(reader, there), self._relay(answers, writer))
        except OSError:
            pass  # either end is gone, or was never there: the other one is told by the end of its connection
        finally:
            for each in (writer, there):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()
            self._tasks.discard(task)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(PIECE):
            due = time.monotonic() + self.delay
            if self.rate is not None:
                await asyncio.sleep(len(piece) / self.rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            while self.dark:
                await asyncio.sleep(0.05)
            sink.write(piece)
            await sink.drain()
            self.carried += len(piece)
        raise ConnectionResetError


@contextmanager
def link() -> Iterator[Link]:
    """A link that ends with the block."""
    found = Link().start()
    try:
        yield found
    finally:
        with contextlib.suppress(RuntimeError):  # its loop is closed already
            found.close()
