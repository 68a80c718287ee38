"""The pulse: several times a second, what is applied is reported to `consent.progress` and to every list.

Order matters in each beat: first the positions, which are proven, then the ends of the ledger, then the report. A beat
that fails is counted and said; readers see it as age, for nothing here claims the present moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.engine import SliceApp, describe, fail_stop
from consent_stream.logends import LogEnds
from consent_stream.settings import Settings
from consent_stream.topology import metrics
from consent_stream.topology.edgewatch import EdgeWatch
from consent_stream.topology.freshness import Waiting, ahead, event_vector
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.topics import EVENTS, LEDGER, PROGRESS, SUPPRESSION
from consent_stream.wire.vector import (
    HOPS,
    Heartbeat,
    Progress,
    Vector,
    decode_progress,
    encode_heartbeat,
    encode_progress,
)

log = logging.getLogger(__name__)
BEAT_S = 0.1
AGE_EVERY_S = 0.3  # where only time went by; three hops of it stay well below any staleness limit
LOOK_BACK_S = 60  # reports older than this tell of nothing that newer ones do not
TIMEOUT_S = 5.0
SET_BACK_S = 1.0  # a wall clock that loses more than this between two beats was set
REMIND_S = 30  # between two lines of the log about one thing that lasts

STAGES = (("state", 0), ("settled", HOPS))  # folded, and folded with all that was derived from it

Positions = dict[int, tuple[int, int | None, int | None]]


class Pulse:
    """Reports what this process has applied. `run` is a task of the app; each beat's I/O happens on a thread."""

    def __init__(
        self, app: SliceApp, settings: Settings, agents: Collection[str], *, events: int, ledger: int, generation: int
    ) -> None:
        self._app, self._settings = app, settings
        self._agents, self._events, self._ledger, self._generation = agents, events, ledger, generation
        prefix = settings.topic_prefix
        self._names = {topic: topic.full(prefix, generation) for topic in (EVENTS, LEDGER, PROGRESS)}
        self._lists = [topic.full(prefix, generation) for topic in SUPPRESSION.values()]
        self._waiting: dict[int, Waiting] = {}
        self._said: dict[object, tuple[object, float]] = {}
        self._connected = False
        self._reminded = -float(REMIND_S)
        self._clocks_apart = time.time() - time.monotonic()

    async def run(self) -> None:
        """Beat until the app stops."""
        loop = asyncio.get_running_loop()
        while not self._app.should_stop:
            began = loop.time()
            events, ledger = self._positions()
            metrics.LAGS.proven("intake", _through([event_vector(events)]))
            if not ledger:
                self._tell_lags([])
            if events or ledger:
                try:
                    await loop.run_in_executor(self._app.threads, self._beat, events, ledger)
                except (KafkaException, BufferError, TimeoutError) as exc:
                    metrics.UNPROVEN.inc()
                    log.warning("no heartbeat: %s", describe(exc))
                except Exception as exc:  # a defect: Faust would end the app, and name whatever it cancels first
                    fail_stop(exc)
            await asyncio.sleep(max(0.01, BEAT_S - (loop.time() - began)))

    def _positions(self) -> tuple[Positions, Positions]:
        found: dict[str, Positions] = {self._names[EVENTS]: {}, self._names[LEDGER]: {}}
        for tp, at in self._app.positions().items():
            if tp.topic in found:
                found[tp.topic][tp.partition] = (at.next, at.timestamp_ms, at.idle_since_ms)
        return found[self._names[EVENTS]], found[self._names[LEDGER]]

    # -- on a thread

    def _beat(self, events: Positions, ledger: Positions) -> None:
        self._connect()
        self._mind_the_clock()
        ends: tuple[int, ...] | None = None
        vector = self._edges.bound(event_vector(events)) if events else {}
        if vector and self._due("intake", [vector]):
            ends = self._ends()
            self._report(Progress("intake", 0, -1, vector, ends))
        if "state" in self._agents:
            self._receive(ledger)
            of_all = []
            for q, (position, _, _) in ledger.items():
                waiting = self._waiting[q]
                waiting.advance(position)
                vectors = [waiting.vector(hop) for hop in range(HOPS + 1)]
                of_all.append(vectors)
                if vectors[0] and self._due(q, vectors):
                    ends = ends or self._ends()
                    self._publish(q, vectors, ends)
            self._tell_lags(of_all)
        self._producer.poll(0)

    def _tell_lags(self, of_all: list[list[Vector]]) -> None:
        """For on-call. Shapes: the vectors of each ledger partition of ours, by hop."""
        for stage, hop in STAGES:
            metrics.LAGS.proven(stage, _through(vectors[hop] for vectors in of_all))

    def _mind_the_clock(self) -> None:
        """What is in effect is only ever raised. Reports of ours by a clock that was fast, and now is right, would be
        all that is told until the time they name, and gates deny meanwhile: begin again with those of the last minute.
        """
        apart = time.time() - time.monotonic()
        if apart < self._clocks_apart - SET_BACK_S:
            log.warning("this host's clock was set back by %.0f s", self._clocks_apart - apart)
            self._waiting.clear()
            self._said.clear()
        self._clocks_apart = apart

    def _publish(self, q: int, vectors: list[Vector], ends: tuple[int, ...]) -> None:
        beat = Heartbeat(q, self._generation, self._events, time.time_ns() // 1000, vectors[0], vectors[HOPS])
        value = encode_heartbeat(beat)
        for name in self._lists:
            self._produce(name, HEARTBEAT_KEY, value, q)
        for hop in range(HOPS):
            if vectors[hop]:
                self._report(Progress("state", hop + 1, q, vectors[hop], ends))

    def _due(self, what: object, vectors: list[Vector]) -> bool:
        """Whether to report: at once when something was applied, else now and then."""
        now = time.monotonic()
        offsets = [{p: point.offset for p, point in vector.items()} for vector in vectors]
        known, at = self._said.get(what, (None, 0.0))
        if known == offsets and now - at < AGE_EVERY_S:
            return False
        self._said[what] = (offsets, now)
        return True

    def _receive(self, owned: Positions) -> None:
        for q in owned:
            if q not in self._waiting:
                self._waiting[q] = Waiting(q, self._ledger)
                self._read_back()
        for q in set(self._waiting) - set(owned):
            del self._waiting[q]
        while messages := self._reports.consume(500, 0):
            for message in messages:
                self._note(message)

    def _note(self, message: Any) -> None:
        error = message.error()
        if error is not None:
            if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                self._read_back()
                return
            raise KafkaException(error)
        try:
            progress = decode_progress(message.value() or b"")
        except WireError as exc:
            metrics.UNPROVEN.inc()
            place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            log.warning("a report in %s that cannot be read: %s", self._names[PROGRESS], exc, extra=place)
            return
        if ahead(progress, time.time_ns() // 1000):
            metrics.UNPROVEN.inc()
            if time.monotonic() - self._reminded > REMIND_S:
                self._reminded = time.monotonic()
                log.warning("a report in %s from the future: is every worker's clock right?", self._names[PROGRESS])
            return
        for waiting in self._waiting.values():
            waiting.report(progress)

    def _report(self, progress: Progress) -> None:
        self._produce(self._names[PROGRESS], None, encode_progress(progress), 0)

    def _produce(self, topic: str, key: bytes | None, value: bytes, partition: int) -> None:
        self._producer.produce(topic, value, key, partition, on_delivery=_proven)

    def _ends(self) -> tuple[int, ...]:
        """The end of every ledger partition, now."""
        return self._log_ends.of(self._names[LEDGER], self._ledger)

    def _connect(self) -> None:
        if self._connected:
            return
        quiet = {"log_level": 2}
        self._producer = Producer(self._settings.producer(**{"linger.ms": 1, **quiet}))
        self._log_ends = LogEnds(lambda: AdminClient({**self._settings.librdkafka(), **quiet}))
        unused = {"group.id": "progress-unused", "fetch.wait.max.ms": 20, **quiet}  # no group is joined
        self._reports = Consumer(self._settings.consumer(**unused))
        self._read_back()
        self._edges = EdgeWatch(self._settings)
        self._connected = True

    def _read_back(self) -> None:
        """Start reading reports a minute ago: a partition that came to us needs those that still wait."""
        since = TopicPartition(self._names[PROGRESS], 0, int((time.time() - LOOK_BACK_S) * 1000))
        (start,) = self._reports.offsets_for_times([since], timeout=TIMEOUT_S)
        if start.offset < 0:  # nothing since then: from the end on
            _, start.offset = self._reports.get_watermark_offsets(start, timeout=TIMEOUT_S)
        self._reports.assign([start])


def _through(vectors: Iterable[Vector]) -> list[int]:
    """Up to when each partition of the events is applied, by these vectors (µs)."""
    return [point.through for vector in vectors for point in vector.values()]


def _proven(error: KafkaError | None, _message: Any) -> None:
    if error is not None:
        metrics.UNPROVEN.inc()
        log.warning("a heartbeat or report was not taken: %s", error)
