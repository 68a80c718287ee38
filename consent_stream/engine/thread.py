"""The consumer thread: aiokafka's consumer, fetched partition by partition, positioned explicitly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from .failure import fail_stop
from .fetchclock import FetchClock
from .headernames import tolerate
from .incarnations import name_commits
from .progress import Fetched, Room
from .starts import SourceState, Start, choose_start


class SliceThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Runs in a thread of its own, so heartbeats go on while an agent computes."""

    _turn = 0

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes 1500 ms: an idle partition would hold a busy one of the same broker back that long.
        consumer._fetch_max_wait_ms = self.app.fetch_max_wait_ms
        # A source may hold facts of a fenced stage: those of an aborted transaction never happened.
        consumer._isolation_level = "read_committed" if self.app.fence else "read_uncommitted"
        # Without a table Faust picks aiokafka's round robin, and a group whose members name different assignors
        # cannot form: a process with only the stateless stage must share the group of one with both.
        self._assignor = self.app.assignor
        consumer._partition_assignment_strategy = [self._assignor]
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        name_commits(consumer, self.app.incarnations.ids)
        fetcher = consumer._fetcher
        tolerate(fetcher)
        self._clock = FetchClock(fetcher)  # wraps the method that was just replaced

    async def crash(self, reason: BaseException) -> None:
        fail_stop(reason)

    # -- positions

    async def take_positions(self, states: Mapping[TP, SourceState]) -> dict[TP, Start]:
        """Seek every assigned source to its start; changelog partitions are paused, the restore reads them itself."""
        starts: dict[TP, Start] = await self.call_thread(self._take_positions, states)
        return starts

    async def _take_positions(self, states: Mapping[TP, SourceState]) -> dict[TP, Start]:
        consumer = self._ensure_consumer()
        assigned = {ensure_TP(atp): atp for atp in consumer.assignment()}
        sources = {tp: atp for tp, atp in assigned.items() if not self.consumer._is_changelog_tp(tp)}
        consumer.pause(*(atp for tp, atp in assigned.items() if tp not in sources))
        if not sources:
            return {}
        lows = await consumer.beginning_offsets(list(sources.values()))
        ends = await consumer.end_offsets(list(sources.values()))
        starts = {}
        # Not `consumer.committed()`: it leaves out which incarnation of the topic an offset was committed for.
        commits = await consumer._coordinator.fetch_committed_offsets(list(sources.values()))
        for tp, atp in sources.items():
            found = commits.get(atp)
            state = self.app.incarnations.of_commit(tp.topic, found, states.get(tp, SourceState()))
            committed = found.offset if found is not None and found.offset >= 0 else None
            start = choose_start(committed, state, lows[atp], ends[atp])
            consumer.seek(atp, start.offset)
            starts[tp] = start
        return starts

    # -- fetching

    async def take(self, ready: Mapping[str, Room], owned: frozenset[TP], timeout: float) -> Any:
        """(records by partition, Fetched by partition): at most one slice of a partition, waiting up to `timeout` s."""
        return await self.call_thread(self._take, ready, owned, timeout)

    async def _take(self, ready: Mapping[str, Room], owned: frozenset[TP], timeout: float) -> Any:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if not self.consumer.flow_active:
            return {}, {}
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        limit = self.app.slice_records
        taken: dict[TP, Any] = {}
        with fetcher._subscriptions.fetch_context():
            self._turn += 1
            for room in ready.values():
                await self._take_topic(fetcher, room, taken)
            if not taken:
                # Never an empty set (aiokafka reads it as "all"), never Faust's live one (another thread empties it).
                anyone = {tp for room in ready.values() for tp in room.partitions}
                taken = await fetcher.fetched_records(anyone, timeout=timeout, max_records=limit)
        assignment = fetcher._subscriptions.subscription.assignment
        seen = {}
        for tp in owned:
            if assignment.active and tp in assignment.tps:
                state = assignment.state_value(tp)
                seen[tp] = Fetched(state._position, state.highwater, self._clock.asked_ms.get(tp))
        return {ensure_TP(tp): records for tp, records in taken.items()}, seen

    async def _take_topic(self, fetcher: Any, room: Room, taken: dict[TP, Any]) -> None:
        """One partition after the other, starting one further each turn.

        `fetched_records` of several partitions empties the first one's buffer before it looks at the next: a backlog
        in one would starve the rest.
        """
        turn, left = self._turn % len(room.partitions), room.slices
        for tp in room.partitions[turn:] + room.partitions[:turn]:
            if left == 0:
                return
            found = await fetcher.fetched_records({tp}, timeout=0, max_records=self.app.slice_records)
            if found:
                taken.update(found)
                left -= 1
