"""The `slices://` transport: one Faust message per slice, back-pressure, commits of proven slices only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from . import metrics
from .failure import EngineError, fail_stop, reach
from .progress import Position, Progress, Room
from .slices import Slice, SliceMessage, cut
from .thread import SliceThread

log = logging.getLogger(__name__)

#: Slices in flight of a partition: one being worked on, one waiting; few enough to end a rebalance quickly.
PER_PARTITION = 2


class SliceConsumer(driver.Consumer):  # type: ignore[misc]
    """Delivers slices to Faust's conductor and commits the end of the unbroken acknowledged prefix."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epoch = 0  # counts positionings; a slice of an older epoch is dropped unacknowledged
        self.progress = Progress()
        self._fetching = asyncio.Lock()
        self._moved = False  # records were taken from the fetcher and dropped: a seek must follow
        self._room = asyncio.Event()

    def _new_consumer_thread(self) -> SliceThread:
        return SliceThread(self, loop=self.loop, beacon=self.beacon)

    async def crash(self, reason: BaseException) -> None:
        fail_stop(reason)

    # -- positions

    async def perform_seek(self) -> None:
        """Position every source. One lock with the fetch: Faust's version can race records already on their way."""
        async with self._fetching:
            self.epoch += 1
            self.progress.clear()
            starts = await self._thread.take_positions(self.app.tables.source_states())
            committed = {tp: start.committed for tp, start in starts.items()}
            self.progress.reset({tp: start.offset for tp, start in starts.items()}, committed)
            self._moved = False
        self._room.set()
        for tp, start in sorted(starts.items()):
            place = {"topic": tp.topic, "partition": tp.partition, "offset": start.offset}
            if start.lost:
                lost = {**place, "lost": start.lost}
                log.error("%s/%d: %d records were removed before they were read", *tp, start.lost, extra=lost)
            if start.rewound:
                log.error("%s/%d: read again from offset %d", *tp, start.offset, extra=place)
        # A rewind must outlive this process: it is committed before the first slice of the new fold is.
        await self.commit() or await self.force_commit()  # the first may only have waited for another one's
        if all(self.progress.is_committed(tp, start.offset) for tp, start in starts.items() if start.rewound):
            self.app.tables.rewound()  # else the group refused it, for it rebalances: the next round rewinds again
        log.info("positions %s", {f"{tp.topic}/{tp.partition}": s.offset for tp, s in sorted(starts.items())})

    def positions(self) -> dict[TP, Position]:
        return self.progress.positions()

    def resume_partitions(self, tps: Any) -> None:
        super().resume_partitions({tp for tp in tps if not self._is_changelog_tp(tp)})
        self._room.set()

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: room is made sure of before the fetch. Faust decides after it, and then blocks every stage."""

    # -- delivery

    async def _drain_messages(self, fetcher: Any) -> None:
        per_topic = (
            PER_PARTITION * self.app.lanes + 2
        )  # no lane idles because another one's slices fill the topic's room
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    continue
                self._room.clear()
                self.progress.advance()
                if rooms := self.progress.room(self._active_partitions, PER_PARTITION, per_topic):
                    async with self._fetching:
                        await self._fetch(rooms)
                    await asyncio.sleep(0)  # let a waiting perform_seek take the lock
                else:
                    await self.wait_first(self._room.wait(), self.suspend_flow.wait(), timeout=1.0)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                fail_stop("the consumer was stopped under the engine")
        except asyncio.CancelledError:
            # Faust's Fetcher takes a cancel during a rebalance for a crash, even when the app is stopping: exit code 1.
            if not self.app.should_stop:
                raise
        except Exception as exc:
            fail_stop(exc)

    async def _fetch(self, rooms: Mapping[str, Room]) -> None:
        if not self.flow_active:
            return
        if self._moved:
            fail_stop("the flow resumed without a seek after records were dropped")
        epoch, generation = self.epoch, self.app.consumer_generation_id
        owned = frozenset(self._active_partitions)
        all_ready = sum(len(room.partitions) for room in rooms.values()) == len(owned)
        # A partition without room now may get it in the middle of this wait: then wait briefly.
        records, seen = await self._thread.take(rooms, owned, 0.2 if all_ready else 0.005)
        for tp, run in records.items():
            if not self.progress.owns(tp):
                continue
            for piece in cut(run, self.app.slice_records, self.app.slice_bytes):
                if not self.flow_active or epoch != self.epoch or generation != self.app.consumer_generation_id:
                    self._moved = True
                    return
                await self._deliver(tp, piece, generation)
        if epoch == self.epoch and not self._moved:
            for tp, fetched in seen.items():
                self.progress.fetched(tp, fetched)

    async def _deliver(self, tp: TP, records: Any, generation: int) -> None:
        first = self.progress.wanted(tp)
        if records[0].offset < first:
            raise EngineError(f"{tp.topic}/{tp.partition} went back: offset {records[0].offset} after {first}")
        message = SliceMessage(Slice(tp.topic, tp.partition, first, records), self.epoch, generation)
        self.progress.deliver(message)
        reach("slice.fetched")
        # A suspended flow must not leave us waiting here with the lock held.
        await self.wait_first(self.callback(message), self.suspend_flow.wait())
        if self.suspend_flow.is_set():
            self._moved = True

    # -- acknowledgements and commits

    def ack(self, message: Any) -> bool:
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            metrics.RECORDS.labels(message.topic).inc(len(message.value))
            metrics.SLICES.labels(message.topic).inc()
            message.value = None
            self._unacked_messages.discard(message)
            self._room.set()
            notify(self._waiting_for_ack)
        reach("slice.acked")
        return True

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        if not len(self.progress):
            return False  # stopped before the consumer started: asking for its assignment would raise
        self.progress.advance()
        offsets = self.progress.committable(self.assignment())
        if not offsets or not await self._commit(offsets):
            return False
        self.progress.committed(offsets)
        self.app.monitor.on_tp_commit(offsets)
        return True

    async def wait_empty(self) -> None:
        """Let the slices in hand finish, then commit. Faust's version returns at once when stopping."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.app.conf.broker_rebalance_timeout * 0.8
        while self._unacked_messages:
            if loop.time() > deadline:
                fail_stop("a slice did not finish before the rebalance timeout")
            await self._wait_for_ack(timeout=1)
        await self.commit()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        # Faust forgets the acknowledged offsets first and commits afterwards; we do it the other way round.
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        if not self.should_stop:
            await self.wait_empty()
        self.progress.clear()
        await super().on_partitions_revoked(revoked)


class Transport(driver.Transport):  # type: ignore[misc]
    """Registered as `slices` in the entry-point group `faust.transports`: a broker URL selects it."""

    Consumer = SliceConsumer
