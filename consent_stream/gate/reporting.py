"""A gate says once a second in `consent.gates` how far it has got, so that on-call can prove what every mailer obeys.

1. A thread of its own and a producer of its own: no check waits for it, and nothing here is ever raised.
2. One report at a time is under way; what Kafka has not taken yet is not repeated, and is given up after
   `TIMEOUT_MS`, for by then it is no longer true.
3. A report claims nothing before it is so. It tells of a moment between two batches, when all that was heard of is in
   the replica.
4. A gate that may not write, or finds no topic, works on. A refusal is counted (`reports_refused`) and told once.
5. Readers of a shared store (follow=False) do not report: what its follower says holds for them.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.gate.clock import Clock
from consent_stream.gate.follower import Follower
from consent_stream.gate.reading import Reading
from consent_stream.settings import Settings
from consent_stream.topics import EMBEDDED_CLUSTER
from consent_stream.wire.gate_report import GateReport, encode_report
from consent_stream.wire.topics import GATES
from consent_stream.wire.vector import Vector

if TYPE_CHECKING:
    from consent_stream.gate.gate import Status

EVERY = 1.0  # seconds
AGAIN = 30.0  # seconds between two tries after a refusal, or where there is no topic
TIMEOUT_MS = 5_000
PATIENCE = 0.5  # seconds to wait for a moment between two batches
NOTHING: tuple[Vector, Vector, int] = ({}, {}, 0)
FLUSH_SECONDS = 1.0  # how long `close` may wait for the last report
LOOK_UP = 0.5  # seconds for the question whether there is a topic; `close` may have to wait for it
REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
)

log = logging.getLogger("consent_stream.gate")


class Reporter:
    """Reports of one gate. compose: what is to be told now; its argument says whether that is the last report."""

    def __init__(self, settings: Settings, compose: Callable[[bool], GateReport]) -> None:
        self._settings, self._topic, self._compose = settings, GATES.full(settings.topic_prefix), compose
        self.refused = 0
        self._wait = EVERY
        self._process = os.getpid()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reports to {self._topic}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()
        atexit.register(self.close)  # a mailer that forgets to close its gate is not missed for a day

    def close(self) -> None:
        """Say that this gate has ended, if it has ever said anything and Kafka listens.

        A forked child has nothing to say: the gate is its parent's.
        """
        if self._process == os.getpid():
            atexit.unregister(self.close)
            self._closing.set()
            self._thread.join()

    def _run(self) -> None:
        # The producer is this thread's alone: a forked child has no such thread, and never lets go of what is not its.
        producer, known = None, False
        while not self._closing.wait(self._wait):
            try:
                producer = producer or Producer(self._configuration(), logger=log)
                known = known or self._is_there(producer)
                if known:
                    self._tell(producer, closing=False)
            except KafkaException as error:  # Kafka is away; the gate's own status tells that
                log.debug("no report: %s", error.args[0])
            except Exception:  # a defect of ours must not end the reports, and never the gate
                log.exception("a report could not be written")
        if producer is not None and known:
            try:
                self._tell(producer, closing=True)
            except Exception:
                log.exception("the last report could not be written")
            if producer.flush(FLUSH_SECONDS):
                producer.purge()
                producer.flush(FLUSH_SECONDS)

    def _is_there(self, producer: Producer) -> bool:
        """Whether there is a topic: to ask for it by its name could make it, and wrongly. Errors: KafkaException."""
        listed = producer.list_topics(timeout=LOOK_UP)
        found = self._topic in listed.topics or str(listed.cluster_id).startswith(EMBEDDED_CLUSTER)
        if not found and self._wait == EVERY:
            log.warning("no topic %s: this gate cannot say what it obeys (topics apply makes it)", self._topic)
        self._wait = EVERY if found else AGAIN
        return found

    def _configuration(self) -> dict[str, Any]:
        return self._settings.producer(**{
            "client.id": "consent-stream-gate-reports",
            # One report is under way at a time, and one that is lost is made up for a second later. So it needs no
            # more permission than to write to this one topic.
            "enable.idempotence": False,
            "message.timeout.ms": TIMEOUT_MS,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 2,
        })  # fmt: skip

    def _tell(self, producer: Producer, closing: bool) -> None:
        producer.poll(0)
        if len(producer) and not closing:
            return
        key, value = encode_report(self._compose(closing))
        producer.produce(self._topic, value, key, 0, on_delivery=self._report)
        producer.poll(0)

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._wait = EVERY
        elif error.code() in REFUSED:
            self._wait = AGAIN
            self.refused += 1
            if self.refused == 1:
                log.warning("topic %s: %s; this gate works, but cannot say what it obeys", self._topic, error.str())


class Author:
    """Composes the reports of one gate. look: its status. limit: its staleness limit, in seconds."""

    def __init__(
        self,
        identity: Callable[[], tuple[str, str]],
        channel: str,
        limit: float,
        reading: Reading,
        follower: Follower,
        look: Callable[[], Status],
        clock: Clock,
    ) -> None:
        self._identity, self._channel, self._limit = identity, channel, int(limit * 1_000_000)
        self._reading, self._follower, self._look, self._clock = reading, follower, look, clock
        self._started, self._host = clock.wall(), socket.gethostname()
        self._last: tuple[int, Vector, Vector, int] = (-1, {}, {}, 0)

    def compose(self, closing: bool) -> GateReport:
        """What is to be told now; `closing` when nothing is after it."""
        applied, settled, control = self._enforced()
        status, (gate, name) = self._look(), self._identity()
        fresh, late = self._reading.freshness, status.settled_staleness
        return GateReport(
            gate=gate,
            name=name,
            host=self._host,
            channel=self._channel,
            list=self._follower.list,
            started=self._started,
            written=self._clock.wall(),
            closing=closing,
            phase=status.phase,
            ready=status.ready and not closing,
            trouble=status.trouble,
            generation=fresh.generation,
            partitions=fresh.partitions,
            events=fresh.events,
            applied=applied,
            settled=settled,
            control=control,
            entries=status.entries,
            staleness_limit=self._limit,
            staleness=None if late is None else int(late * 1_000_000),
        )

    def _enforced(self) -> tuple[Vector, Vector, int]:
        """Both vectors, and where `consent.control` is read on: as of a moment between two batches.

        Where none ends within `PATIENCE`, as of the last time. Nothing while the replica is not whole: then no answer
        rests on it.
        """
        reading, follower = self._reading, self._follower
        deadline = time.monotonic() + PATIENCE
        while True:
            turn, session, whole = follower.turn, reading.session, reading.known.complete
            if turn % 2 == 0:
                fresh = reading.freshness
                found = session, fresh.vector(settled=False), fresh.vector(settled=True), follower.control_next
                if follower.turn == turn and reading.session == session:
                    self._last = found
                    return found[1:] if whole else NOTHING
            if time.monotonic() > deadline:
                return self._last[1:] if whole and self._last[0] == session else NOTHING
            time.sleep(0.001)
