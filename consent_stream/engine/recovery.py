"""Faust's recovery service and table manager, with the bulk restore in place of record-by-record recovery."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode import Service

from .failure import fail_stop
from .restore import restore
from .starts import SourceState
from .table import SliceTable


class SliceRecovery(Recovery):  # type: ignore[misc]
    """Restores in this service's task: it runs after the rebalance callback returned, while heartbeats flow.

    aiokafka stops heartbeats before JoinGroup and starts them when that callback returned: a restore inside it that
    outlasts the session would rebalance for ever.
    """

    @Service.task  # type: ignore[untyped-decorator]
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            try:
                await self._recover(self._generation_id)
            except (RebalanceAgain, IllegalStateError):
                continue
            except ServiceStopped:
                if not self.should_stop:
                    fail_stop("recovery timed out")  # mode's wait_first reports a timeout as "stopped"
                return
            except asyncio.CancelledError:
                raise
            except BaseException as exc:
                fail_stop(exc)

    async def _recover(self, generation: int) -> None:
        self._set_recovery_started()
        for table in self.tables.values():
            await self._restore(table, {tp.partition for tp in self.actives_for_table[table]})
        await self._wait(self.on_recovery_completed(generation))
        if self.app.consumer_generation_id == generation and not self.signal_recovery_start.is_set():
            self.app.announce_ready()

    async def _restore(self, table: SliceTable, wanted: set[int]) -> None:
        stop = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(self.app.threads, restore, table, wanted, stop)
        try:
            await self._wait(asyncio.shield(work))
        finally:
            stop.set()
            await work  # the partitions must be quiet before the next round touches them

    @Service.task  # type: ignore[untyped-decorator]
    async def _slurp_changelogs(self) -> None:
        """Nothing: changelogs are read in bulk."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _publish_stats(self) -> None:
        """Nothing: Faust counts what it reads itself, and calls a long restore an internal error. `_read` tells."""


class SliceTableManager(TableManager):  # type: ignore[misc]
    """Owns the recovery and answers where the sources of all tables stand."""

    _recovery: Recovery | None = None

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = SliceRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """As Faust's, without its sleep of a second: the consumer thread below is started by now."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    def source_states(self) -> dict[TP, SourceState]:
        """Per source partition: the slowest of the tables it feeds; unknown for one is unknown for all."""
        merged: dict[TP, SourceState] = {}
        tables: list[Any] = list(self.values())
        for table in tables:
            for tp, state in table.source_states().items():
                merged[tp] = _slower(merged[tp], state) if tp in merged else state
        return merged

    def rewound(self) -> None:
        for table in self.values():
            table.rewound()


def _slower(one: SourceState, other: SourceState) -> SourceState:
    if one.applied is None or other.applied is None:
        return SourceState(None, one.rewind or other.rewind)
    return SourceState(min(one.applied, other.applied), one.rewind or other.rewind)
