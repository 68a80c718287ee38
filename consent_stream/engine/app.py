"""A Faust app with slices in and proven units out, plugged in through Faust's own settings and entry points."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import faust
from faust.types import TP

from . import failure
from .identity import Identity
from .incarnations import Incarnations, watch
from .kafka import KafkaClients
from .outbox import Outbox
from .partition import StoreMemory
from .preflight import DataDirLock, check_topics, wait_for_kafka
from .progress import Position
from .slices import Slice
from .unit import Unit

log = logging.getLogger(__name__)

_SETTINGS = {
    "Stream": "consent_stream.engine.stream:SliceStream",
    "Agent": "consent_stream.engine.stream:SliceAgent",
    "Table": "consent_stream.engine.table:SliceTable",
    "TableManager": "consent_stream.engine.recovery:SliceTableManager",
    "store": "slices://rocksdb",  # with a host: bool(URL("slices://")) is False and falls back to memory://
    "consumer_auto_offset_reset": "earliest",  # anything else skips events
    "topic_allow_declare": False,  # topics are made by an operator, from one declaration
    "topic_disable_leader": True,
    "table_standby_replicas": 0,  # standbys would be fed record by record
    "stream_wait_empty": True,  # finish the slice in hand on a rebalance and on stop
    "stream_recovery_delay": 0.0,
    "stream_buffer_maxsize": 4096,  # slices; never reached, room is made sure of before the fetch
    "broker_commit_interval": 0.5,  # what a stateless stage repeats after a kill
    "broker_session_timeout": 10.0,
    "broker_heartbeat_interval": 2.0,
    "broker_request_timeout": 40.0,  # Faust refuses a session timeout above it
    "broker_rebalance_timeout": 60.0,  # must exceed one slice with its delivery
    "consumer_max_fetch_size": 4 << 20,
    "web_enabled": False,  # Faust's web server binds all interfaces and serves table data
    "worker_redirect_stdouts": False,
}


class SliceApp(faust.App):  # type: ignore[misc]
    """`SliceApp(group_id, kafka=…, datadir=…)`: agents get slices, `app.unit` and `table.unit` prove their effects.

    id: consumer group. Its processes may run different agents, but must share one `fence`.
    kafka: settings of all clients. datadir: state of this process, locked against a second one.
    fence: one transactional producer per table partition, so that a worker frozen past its session cannot write old
      state over new. None: on wherever the broker can (the embedded one cannot). Readers must be read_committed.
    worker_id: static membership (`group.instance.id`): a restarted worker has its partitions and store back at once.
      Such a worker does not leave the group when stopped: its partitions wait for it until the session times out.
    outputs: topics the agents emit to, checked at start, leaders looked up before the first record.
    slice_records, slice_bytes: largest slice (one record always fits). fetch_max_wait_ms: an idle fetch's wait.
    lanes: copies of each agent's body, each with its own partitions: one works while another waits for proof.

    Errors: ValueError for a malformed CONSENT_FAIL_POINT. Faults while running end the process: see `failure`.
    """

    def __init__(
        self,
        id: str,
        *,
        kafka: KafkaClients,
        datadir: str | Path,
        fence: bool | None = True,
        worker_id: str | None = None,
        outputs: Sequence[str] = (),
        slice_records: int = 2000,
        slice_bytes: int = 1 << 20,
        fetch_max_wait_ms: int = 50,
        lanes: int = 2,
        **options: Any,
    ) -> None:
        failure.arm(os.environ.get("CONSENT_FAIL_POINT"))
        self.kafka = kafka
        self.fence = fence
        self.outputs = list(outputs)
        self.slice_records, self.slice_bytes = slice_records, slice_bytes
        self.fetch_max_wait_ms = fetch_max_wait_ms
        self.lanes = lanes
        self.identity = Identity(kafka)
        self.incarnations = Incarnations(self.identity)
        self.memory = StoreMemory()
        self.threads = ThreadPoolExecutor(16, thread_name_prefix="slices")
        self._outboxes: dict[tuple[str, int], Outbox] = {}
        self._ready_hooks: list[Callable[[frozenset[TP]], None]] = []
        self._lock = DataDirLock(Path(datadir))
        settings = {**_SETTINGS, "consumer_group_instance_id": worker_id, **kafka.aiokafka(), **options}
        broker = [f"slices://{server}" for server in kafka.bootstrap.split(",")]
        super().__init__(id, broker=broker, datadir=str(datadir), **settings)
        self.task(partial(watch, self))

    # -- declaring

    def Table(self, name: str, *, partitions: int, changelog: str, sources: Sequence[str] = (), **options: Any) -> Any:
        """A table kept in RocksDB and in the topic `changelog` (full name, compacted, `partitions` partitions).

        sources: the topics its state is folded from; they are read again from their beginning should the changelog be
        lost. Without them only sources already met are.
        """
        topic = self.topic(changelog, key_type=bytes, value_type=bytes, partitions=partitions)
        return super().Table(name, partitions=partitions, changelog_topic=topic, sources=sources, **options)

    def on_ready(self, hook: Callable[[frozenset[TP]], None]) -> Callable[[frozenset[TP]], None]:
        """Register a hook called with the owned source partitions each time all of them are restored and positioned."""
        self._ready_hooks.append(hook)
        return hook

    # -- working

    def unit(self, piece: Slice) -> Unit:
        """The unit of work of one slice in a stage without a table."""
        return Unit(self, piece)

    def outbox(self, piece: Slice) -> Outbox:
        """The idempotent producer of the stage and lane of `piece`: a flush waits for that lane's records only."""
        lane = piece.topic, piece.partition % self.lanes
        if lane not in self._outboxes:
            self._outboxes[lane] = Outbox(self.kafka)
        return self._outboxes[lane]

    def _warm_up(self) -> None:
        """Make the producers of stages without a table a second before they are needed.

        A new idempotent producer's first record waits half a second: librdkafka asks for a producer id when it starts,
        finds no broker connected yet, and tries again 500 ms later.
        """
        fed_tables = {topic for table in self.tables.values() for topic in table.sources}
        for topic in self.source_topics():
            for lane in range(self.lanes if topic not in fed_tables else 0):
                self._outboxes[topic, lane] = Outbox(self.kafka)
                self._outboxes[topic, lane].warm(self.outputs)

    def positions(self) -> dict[TP, Position]:
        """How far each owned source partition has been applied. Empty before the first assignment."""
        consumer: Any = self._consumer
        positions: dict[TP, Position] = consumer.positions() if consumer is not None else {}
        return positions

    def announce_ready(self) -> None:
        owned = frozenset(self.positions())
        for hook in self._ready_hooks:
            hook(owned)

    # -- starting and stopping

    def source_topics(self) -> list[str]:
        """Topics the agents read. Errors: EngineError when two agents read one topic."""
        found: list[str] = []
        for agent in self.agents.values():
            for topic in agent.channel.topics:
                if topic in found:
                    raise failure.EngineError(f"two agents read {topic}: its slices would be acknowledged twice")
                found.append(topic)
        return found

    async def on_first_start(self) -> None:
        try:
            self._lock.acquire()
            if not await wait_for_kafka(self):
                return  # stopped while waiting
            await check_topics(self)
            await asyncio.get_running_loop().run_in_executor(self.threads, self._warm_up)
        except Exception as exc:
            failure.fail_stop(exc)
        await super().on_first_start()

    async def on_stop(self) -> None:
        await super().on_stop()
        self._lock.release()
