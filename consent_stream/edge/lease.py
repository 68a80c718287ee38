"""The edge's word on its spool: twice a second, up to when all that it answered is in `consent.events`.

Workers claim nothing beyond it, so gates that hold lists without what is on this disk become stale and deny. An edge
that ends with nothing on its disk says so and is waited for no longer. One that died, or left events behind, holds the
lists up until it is back or `consent-stream edge forget` says that it will not be.

Who it is stands beside the spool, and goes with it.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from consent_stream.edge.spool import Spool
from consent_stream.logends import LogEnds
from consent_stream.settings import Settings
from consent_stream.wire.edges import EdgeBeat, encode_edge
from consent_stream.wire.topics import EDGES, EVENTS

log = logging.getLogger(__name__)
BEAT_S = 0.5
TIMEOUT_S = 2.0


class Lease:
    """Beats on a thread of its own. clock: µs. Errors when made: OSError; ValueError when its file is none of ours."""

    def __init__(self, settings: Settings, spool: Spool, clock: Callable[[], int]) -> None:
        self._spool, self._clock = spool, clock
        self._events, self._topic = (each.full(settings.topic_prefix) for each in (EVENTS, EDGES))
        self.id, self._since = _identity(spool.folder / "edge.json", clock())
        quiet = {"log_level": 0}
        self._producer = Producer(settings.producer(**{"message.timeout.ms": 2000, "linger.ms": 1, **quiet}))
        self._log_ends = LogEnds(lambda: AdminClient({**settings.librdkafka(), **quiet}))
        self._partitions = 0
        self.known = threading.Event()  # the workers have heard of this edge
        self._closing = threading.Event()
        self._doubtful = False
        self._thread = threading.Thread(target=self._run, name="edge-lease", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The last word: gone, when there is nothing on the disk. After the door is closed."""
        self._closing.set()
        self._thread.join()
        self._producer.flush(TIMEOUT_S)  # one that ends at once has not heard yet whether it is known
        if self._spool.oldest is None and self.known.is_set():
            self._try(ended=True)
            self._producer.flush(TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self._try()
            if self._closing.wait(BEAT_S):
                return

    def _try(self, ended: bool = False) -> None:
        try:
            self._beat(ended)
        except (KafkaException, BufferError, TimeoutError) as error:
            if not self._doubtful:
                log.warning("the workers do not hear of this edge, and its lists age: %s", _told(error))
            self._doubtful = True
        else:
            if self._doubtful:
                log.info("the workers hear of this edge again")
            self._doubtful = False

    def _beat(self, ended: bool) -> None:
        # In this order: the instant, then what is left of before, then where all the rest lies.
        through = self._clock()
        oldest = self._spool.oldest
        if oldest is not None:
            through = min(through, oldest)
        beat = EdgeBeat(self.id, min(self._since, through), through, self._ends(), ended)
        key, value = encode_edge(beat)
        self._producer.produce(self._topic, value, key, 0, on_delivery=self._proven)
        self._producer.poll(0)

    def _ends(self) -> tuple[int, ...]:
        if not self._partitions:
            self._partitions = self._log_ends.partitions(self._events)
        return self._log_ends.of(self._events, self._partitions)

    def _proven(self, error: object, _message: object) -> None:
        if error is None:
            self.known.set()


def _identity(path: Path, now: int) -> tuple[str, int]:
    """Id of the edge whose spool this is, and since when there is one."""
    try:
        found = json.loads(path.read_text())
        return str(uuid.UUID(found["id"])), int(found["since"])
    except FileNotFoundError:
        ident = str(uuid.uuid4())
        beside = path.with_suffix(".new")
        with beside.open("w") as file:
            file.write(json.dumps({"id": ident, "since": now}) + "\n")
            file.flush()
            os.fsync(file.fileno())  # empty after a power cut, it would keep the edge from its own spool
        beside.replace(path)
        return ident, now
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path}: not the file of an edge; move it away if nothing is in the spool") from None


def _told(error: Exception) -> str:
    return error.args[0].str() if isinstance(error, KafkaException) else type(error).__name__
