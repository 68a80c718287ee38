"""Stream and agent: a slice is acknowledged after the body finished with it; an agent that raises ends the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import faust

from .failure import fail_stop
from .lanes import Lanes
from .slices import Slice


class SliceStream(faust.Stream):  # type: ignore[misc]
    """Acknowledges when the body asks for the next slice, never in a `finally`.

    Faust's compiled iterator acknowledges by itself, inside `after()` and also when the body raised
    (`_cython/streams.pyx`), without calling `Consumer.ack`; its Python twin acknowledges even what it skips.
    """

    def __aiter__(self) -> AsyncIterator[Slice]:
        return self._slices()

    async def _slices(self) -> AsyncIterator[Slice]:
        self._finalized = True
        await self.maybe_start()
        consumer = self.app.consumer
        lanes = self._lanes()
        while not self.should_stop:
            try:
                event = await lanes.next(self.concurrency_index or 0)
            except StopAsyncIteration:  # the channel ends when the app stops; inside a generator it would be an error
                return
            message = event.message
            if self._is_stale(message):
                continue  # fetched before a rebalance: whoever owns the partition now reads it again
            if not message.tracked:
                message.tracked = True
                consumer.track_message(message)
            self._set_current_event(event)
            self.events_total += 1
            yield event.value
            self._set_current_event(None)
            consumer.ack(message)

    def _lanes(self) -> Lanes:
        """Those of the channel, which Faust shares between the copies of an agent."""
        if not hasattr(self.channel, "lanes"):
            self.channel.lanes = Lanes(self.channel, self.app.lanes)
        lanes: Lanes = self.channel.lanes
        return lanes

    def _is_stale(self, message: Any) -> bool:
        app = self.app
        return (
            not app.flow_control.is_active()
            or message.generation_id != app.consumer_generation_id
            or message.epoch != app.consumer.epoch
        )


class SliceAgent(faust.Agent):  # type: ignore[misc]
    """Runs one copy of the body for each lane. Faust restarts an agent that raised and goes on with the next event;
    here the process ends and replays."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.concurrency = self.app.lanes

    async def _execute_actor(self, coro: Any, aref: Any) -> None:
        async def guarded() -> None:
            try:
                await coro
            except asyncio.CancelledError:
                raise
            except BaseException as exc:
                fail_stop(exc)
            if not (self.should_stop or self.app.should_stop):
                fail_stop(f"agent {self.name} returned")

        await super()._execute_actor(guarded(), aref)
