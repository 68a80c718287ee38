"""Quarantined records that may be somebody's "no", and that nobody has looked at: how many, and since when.

One worker follows `consent.quarantine` for all, the one that has partition 0 of `consent.events`; and `consent.audit`,
where it stands which records were put back or dropped (`wire.marks`).

1. The audit is read to its end before the first record: what is done with is no alarm.
2. Each partition is read from its oldest record on, so that what is told while it catches up is true of the oldest.
3. It takes at most SHARE of a core from the stages; 90 days of a large quarantine take it a while.
4. Where it cannot read, nothing is told, and the log says why: no figure is no all-clear.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client.core import GaugeMetricFamily, Metric

from consent_stream.engine import SliceApp, describe, fail_stop
from consent_stream.settings import Settings
from consent_stream.wire.marks import Marks, Place
from consent_stream.wire.topics import AUDIT, EVENTS, QUARANTINE
from consent_stream.wire.withdrawals import of_record

log = logging.getLogger(__name__)
EVERY_S = 1.0
SHARE = 0.02  # of one core
AT_ONCE_S = 0.02  # CPU of one look
BATCH = 200
MOST = 100_000  # places that are remembered; beyond, the newer ones are looked for when these are done with
TIMEOUT_S = 5.0
REMIND_S = 60
GONE_EVERY_S = 600
AWAY = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)  # the pulse says so already
AGE = "consent_quarantine_withdrawal_age_seconds"
COUNT = "consent_quarantine_withdrawals"


class Doubts:
    """Which records are open, by the two topics in any order; and a collector for Prometheus."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.told = False  # whether the figures are those of somebody who follows
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.told = self.full = False
        self._open: dict[Place, int] = {}
        self._marks = Marks()

    def note(self, place: Place, written: int, doubtful: bool) -> None:
        """A record of the quarantine, written at an instant (µs)."""
        if not doubtful or self._marks.of(place, written) is not None:
            return
        if len(self._open) >= MOST:
            self.full = True
            return
        self._open[place] = written

    def mark(self, value: bytes | None) -> None:
        """A record of the audit."""
        stretches = self._marks.note(value)
        if stretches:
            done = [place for place, written in self._open.items() if self._marks.of(place, written) is not None]
            for place in done:
                del self._open[place]

    def gone(self, partition: int, low: int) -> None:
        """What lies before an offset is deleted: nobody can look at it any more, nor mark it."""
        for place in [place for place in self._open if place[0] == partition and place[1] < low]:
            del self._open[place]

    @property
    def oldest(self) -> int | None:
        """When the oldest open one was quarantined (µs)."""
        return min(self._open.values(), default=None)

    @property
    def exhausted(self) -> bool:
        """Whether all that were remembered are done with, and there were more."""
        return self.full and not self._open

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks."""
        age = GaugeMetricFamily(AGE, "Age of the oldest quarantined record that may be a withdrawal and is not marked")
        count = GaugeMetricFamily(COUNT, "Quarantined records that may be a withdrawal and are not marked")
        if self.told:
            oldest = self.oldest
            age.add_metric([], 0.0 if oldest is None else max(0.0, self._clock() - oldest / 1e6))
            count.add_metric([], len(self._open))
        yield age
        yield count


class DoubtsWatch:
    """Follows both topics for a collector while this process is the one to do so. `run` is a task of the app."""

    def __init__(self, app: SliceApp, settings: Settings, doubts: Doubts) -> None:
        self._app, self._settings, self._doubts = app, settings, doubts
        prefix = settings.topic_prefix
        self._events, self._audit = EVENTS.full(prefix), AUDIT.full(prefix)
        self._quarantine = QUARANTINE.full(prefix)
        self._consumer: Any = None
        self._audit_end = 0
        self._audit_read = False
        self._partitions: list[int] = []
        self._reminded = self._asked = -float(REMIND_S)

    async def run(self) -> None:
        """Look until the app stops."""
        loop = asyncio.get_running_loop()
        while not self._app.should_stop:
            spent = 0.0
            try:
                work = self._look if self._chosen() else self._rest
                spent = await loop.run_in_executor(self._app.threads, work)
            except KafkaException as exc:
                await loop.run_in_executor(self._app.threads, self._rest)
                away = exc.args[0].code() in AWAY
                if not away and time.monotonic() - self._reminded > REMIND_S:
                    self._reminded = time.monotonic()
                    log.warning("quarantine is not watched: %s", describe(exc))
            except Exception as exc:  # a defect
                fail_stop(exc)
            await self._app.sleep(max(EVERY_S, spent / SHARE))
        await loop.run_in_executor(None, self._rest)

    def _chosen(self) -> bool:
        return any(tp.topic == self._events and tp.partition == 0 for tp in self._app.positions())

    # -- on a thread

    def _rest(self) -> float:
        """It is another's turn, or nothing can be read."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            self._doubts.forget()
        return 0.0

    def _look(self) -> float:
        """Read on; seconds of CPU that the stages did not get. Errors: KafkaException."""
        began = time.thread_time()
        if self._consumer is None or self._doubts.exhausted:
            self._begin()
        while time.thread_time() < began + AT_ONCE_S and (messages := self._consumer.consume(BATCH, 0.1)):
            for message in messages:
                self._note(message)
        if not self._audit_read and self._audit_through():
            self._audit_read = self._doubts.told = True
            self._partitions = self._assign(self._quarantine)
        if self._audit_read and time.monotonic() - self._asked > GONE_EVERY_S:
            self._asked = time.monotonic()
            for p in self._partitions:
                low, _ = self._consumer.get_watermark_offsets(TopicPartition(self._quarantine, p), timeout=TIMEOUT_S)
                self._doubts.gone(p, low)
        return time.thread_time() - began

    def _begin(self) -> None:
        self._rest()
        unused = {"group.id": "progress-unused", "fetch.wait.max.ms": 500, "queued.max.messages.kbytes": 4096}
        self._consumer = Consumer(self._settings.consumer(**unused, **{"log_level": 2}))
        self._audit_read = False
        _, self._audit_end = self._consumer.get_watermark_offsets(TopicPartition(self._audit, 0), timeout=TIMEOUT_S)
        self._assign(self._audit)

    def _assign(self, name: str) -> list[int]:
        """Read a topic too, from its oldest records on; its partitions."""
        metadata = self._consumer.list_topics(name, timeout=TIMEOUT_S).topics[name]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        places = [TopicPartition(name, p) for p in metadata.partitions]
        for place in places:
            place.offset, _ = self._consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        self._consumer.incremental_assign(places)
        return [place.partition for place in places]

    def _audit_through(self) -> bool:
        (at,) = self._consumer.position([TopicPartition(self._audit, 0)])
        low, _ = self._consumer.get_watermark_offsets(TopicPartition(self._audit, 0), timeout=TIMEOUT_S)
        return bool(max(at.offset, low) >= self._audit_end)

    def _note(self, message: Any) -> None:
        error = message.error()
        if error is not None:
            raise KafkaException(error)  # a topic that was made anew, too: all of it is read again
        if message.topic() == self._audit:
            self._doubts.mark(message.value())
            return
        place, written = (message.partition(), message.offset()), message.timestamp()[1] * 1000
        self._doubts.note(place, written, of_record(message.headers() or (), message.value()))
