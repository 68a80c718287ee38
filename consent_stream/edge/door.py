"""The door: an event is taken when Kafka has proven it, else when it is on the disk, else not at all.

While Kafka is away nobody waits for it: events go to the disk at once, and a thread finds out when it is back, sends
what is on the disk in order, and then opens the way again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

import orjson

from consent_stream.edge.metrics import Metrics
from consent_stream.edge.producing import Receipt, Sending
from consent_stream.edge.segments import Spooled
from consent_stream.edge.spool import Spool
from consent_stream.settings import Settings

log = logging.getLogger(__name__)
LARGEST = 256 * 1024  # bytes of an event: what the intake reads (WIRE §1)
FULL_S = 5.0  # so long after a refusal by the disk nobody new is asked in
GLANCE_S = 0.5  # between two looks whether Kafka is back
AT_ONCE = 1000  # records of the spool that are on their way together


class Unavailable(Exception):
    """Nothing could be taken, and nothing was promised. retry_after: seconds."""

    def __init__(self, retry_after: int = 5) -> None:
        super().__init__("events cannot be taken now")
        self.retry_after = retry_after


class Door(ABC):
    """Takes events. Laws: tests/contract/door."""

    @property
    @abstractmethod
    def open(self) -> bool:
        """Whether an event would be taken, as far as is known."""

    @abstractmethod
    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Take all of them, one record each, and return a receipt for each: `PARTITION:OFFSET` of `consent.events`
        when Kafka has proven it with acks=all, `spooled` when it is on the disk and will be sent.

        The same event twice does no harm: its id and content are the same. Errors: Unavailable when one could not be
        taken; others may have been. ValueError for an event beyond 256 KiB.
        """


class Unopened(Door):
    """Of an edge whose configuration is still being judged: nothing is on the disk yet, and nothing is taken."""

    open = False

    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        raise Unavailable


def records_of(events: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The bytes of each. Errors: ValueError."""
    records = [orjson.dumps(each) for each in events]
    if any(len(each) > LARGEST for each in records):
        raise ValueError(f"an event has at most {LARGEST} bytes")
    return records


Waiting = asyncio.Future[Receipt] | Future[Receipt]


class KafkaDoor(Door):
    """Kafka first, then the spool. clock: µs. It is of one event loop, the first that asks.

    sent: is told of each record of the spool that Kafka has proven, with its receipt, on a thread of the door.
    """

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        clock: Callable[[], int],
        metrics: Metrics,
        sent: Callable[[Spooled, str], None] | None = None,
    ) -> None:
        self._spool, self._clock, self._metrics, self._sent = spool, clock, metrics, sent
        self._loop: asyncio.AbstractEventLoop | None = None
        self._away = False
        self._refused = -FULL_S  # when the spool last took nothing
        self._closing = threading.Event()
        self._sending: Sending[Waiting] = Sending(settings, self._told)
        self._draining = threading.Thread(target=self._drain, name="edge-drain", daemon=True)
        self._draining.start()

    @property
    def open(self) -> bool:
        return not (self._closing.is_set() or (self._away and time.monotonic() - self._refused < FULL_S))

    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        records = records_of(events)
        self._loop = loop = asyncio.get_running_loop()
        found: list[Receipt] = [None] * len(records)
        if not self._away:
            waiting = [self._send(loop, each) for each in records]
            found = [each if each is None else await each for each in waiting]
        left = [record for record, receipt in zip(records, found, strict=True) if receipt is None]
        self._metrics.events("kafka", len(records) - len(left))
        if left:
            self._away = True
            await self._keep(left)
        return tuple(each or "spooled" for each in found)

    def _send(self, loop: asyncio.AbstractEventLoop, record: bytes) -> asyncio.Future[Receipt] | None:
        future: asyncio.Future[Receipt] = loop.create_future()
        return future if self._sending.send(record, future) else None

    async def _keep(self, records: Sequence[bytes]) -> None:
        try:
            await asyncio.wrap_future(self._spool.put(records, self._clock()))
        except OSError as error:
            if self.open:
                log.error("the spool takes nothing: %s", error.strerror or error)
            self._refused = time.monotonic()
            self._metrics.events("refused", len(records))
            raise Unavailable from error
        self._metrics.events("spool", len(records))

    def _told(self, decided: list[tuple[Waiting, Receipt]]) -> None:
        for each, receipt in decided:
            if isinstance(each, Future):
                each.set_result(receipt)
        asked = [(each, receipt) for each, receipt in decided if isinstance(each, asyncio.Future)]
        if asked and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_settle, asked)

    # -- the thread that empties the spool

    def _drain(self) -> None:
        while not self._closing.wait(GLANCE_S):
            try:
                if not self._away and self._spool.oldest is None:
                    continue
                if self._sending.reach() and self._emptied() and self._away:
                    self._away = False
                    log.info("Kafka is back")
            except OSError as error:  # of the disk: what is on it stays there
                log.error("the spool cannot be read: %s", error.strerror or error)

    def _emptied(self) -> bool:
        """Send a file of the spool after the other; whether nothing is left. Errors: OSError."""
        while not self._closing.is_set():
            found = self._spool.first()
            if found is None:
                return True
            segment, records = found
            if not self._all_proven(records):
                return False
            self._spool.drop(segment)
            log.info("%d events of the spool are sent", len(records), extra={"events": len(records)})
        return False

    def _all_proven(self, records: Sequence[Spooled]) -> bool:
        for start in range(0, len(records), AT_ONCE):
            futures: list[Future[Receipt]] = []
            for each in records[start : start + AT_ONCE]:
                future: Future[Receipt] = Future()
                if not self._sending.send(each.record, future):
                    future.set_result(None)
                futures.append(future)
            wait(futures)
            receipts = [each.result() for each in futures]
            if self._sent is not None:
                for each, receipt in zip(records[start : start + AT_ONCE], receipts, strict=True):
                    if receipt is not None:
                        self._sent(each, receipt)
            if None in receipts:
                return False
        return True

    def close(self) -> None:
        """Wait for what is on its way, then let go. What is on the disk stays for the next start."""
        self._closing.set()
        self._draining.join()  # first: what it has on its way must still be decided
        self._sending.close()


def _settle(decided: Sequence[tuple[asyncio.Future[Receipt], Receipt]]) -> None:
    for each, receipt in decided:
        if not each.done():  # who asked may have gone
            each.set_result(receipt)
