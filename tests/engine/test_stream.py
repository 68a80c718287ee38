"""When a slice is acknowledged: after the body, in order, never when it raised, never when it is stale."""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import faust.streams
import pytest

from consent_stream.engine.lanes import Lanes
from consent_stream.engine.stream import SliceStream


class Channel:
    """Hands out its events, then waits, then ends."""

    def __init__(self, events: list[Any], *, ends: bool = True) -> None:
        self.events, self.ends = list(events), ends

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        if self.events:
            return self.events.pop(0)
        if self.ends:
            raise StopAsyncIteration
        await asyncio.Event().wait()


def event(name: str, partition: int = 0, generation: int = 1, epoch: int = 1) -> Any:
    message = SimpleNamespace(partition=partition, generation_id=generation, epoch=epoch, tracked=False, name=name)
    return SimpleNamespace(value=name, message=message)


class Bench:
    """A SliceStream on a channel of ours, with a consumer that notes what is acknowledged."""

    def __init__(self, events: list[Any]) -> None:
        self.acked: list[str] = []
        self.tracked: list[str] = []
        consumer = SimpleNamespace(
            epoch=1,
            ack=lambda message: self.acked.append(message.name),
            track_message=lambda message: self.tracked.append(message.name),
        )
        self.app = SimpleNamespace(
            consumer=consumer, consumer_generation_id=1, lanes=1, flow_control=SimpleNamespace(is_active=lambda: True)
        )
        self.stream = object.__new__(SliceStream)
        self.stream.app = self.app
        self.stream.channel = Channel(events)
        self.stream.concurrency_index = None
        self.stream.events_total = 0
        self.stream._set_current_event = lambda event: None
        self.stream._stopped = asyncio.Event()
        self.stream._crashed = asyncio.Event()
        self.stream.maybe_start = self._started

    async def _started(self) -> None:
        return None

    async def names(self) -> AsyncIterator[str]:
        async for name in self.stream:
            yield name


def test_the_acknowledgement_comes_when_the_body_asks_for_more() -> None:
    """Trap: Faust's compiled iterator acknowledges by itself and never calls `Consumer.ack`."""

    async def go() -> None:
        bench = Bench([event("one"), event("two")])
        seen = []
        async for name in bench.stream:
            seen.append((name, list(bench.acked)))
        assert seen == [("one", []), ("two", ["one"])]
        assert bench.acked == bench.tracked == ["one", "two"]

    asyncio.run(go())


@pytest.mark.parametrize("end", ["raise", "break"])
def test_a_body_that_leaves_acknowledges_nothing(end: str) -> None:
    """Trap: both of Faust's iterators acknowledge in a `finally` around the yield."""

    async def go() -> None:
        bench = Bench([event("one"), event("two")])
        with pytest.raises(ZeroDivisionError) if end == "raise" else pytest.MonkeyPatch.context():
            async for _ in bench.stream:
                if end == "raise":
                    raise ZeroDivisionError
                break
        await asyncio.sleep(0)
        assert bench.acked == []

    asyncio.run(go())


@pytest.mark.parametrize("stale", [event("old", generation=0), event("old", epoch=0)])
def test_stale_slices_are_dropped_unacknowledged(stale: Any) -> None:
    """Trap: Faust's Python iterator acknowledges what it skips: an unprocessed offset enters the new generation."""

    async def go() -> None:
        bench = Bench([stale, event("new")])
        assert [name async for name in bench.stream] == ["new"]
        assert bench.acked == ["new"]

    asyncio.run(go())


def test_nothing_is_started_while_the_flow_is_suspended() -> None:
    async def go() -> None:
        bench = Bench([event("one")])
        bench.app.flow_control.is_active = lambda: False
        assert [name async for name in bench.stream] == []

    asyncio.run(go())


def test_the_end_of_a_channel_ends_the_stream_quietly() -> None:
    """Trap: StopAsyncIteration inside an async generator becomes RuntimeError."""

    async def go() -> None:
        assert [name async for name in Bench([]).stream] == []

    asyncio.run(go())


def test_faust_acknowledges_by_itself_which_is_why_there_is_a_stream_of_our_own() -> None:
    assert faust.streams._CStreamIterator is not None, "the compiled iterator is in use"
    assert "finally" in inspect.getsource(faust.streams.Stream._c_aiter)


def test_lanes_keep_the_order_of_a_partition_and_let_others_pass() -> None:
    async def go() -> None:
        events = [event(f"{partition}-{n}", partition) for n in range(5) for partition in (0, 1, 2)]
        lanes = Lanes(Channel(events), 2)
        seen: list[tuple[int, str]] = []
        held = asyncio.Event()

        async def read(lane: int) -> None:
            try:
                while True:
                    got = await lanes.next(lane)
                    seen.append((lane, got.value))
                    if lane == 0 and got.value == "0-0":
                        await held.wait()  # lane 0 waits for proof; lane 1 goes on
                    if got.value == "1-4":
                        held.set()
            except StopAsyncIteration:
                return

        await asyncio.wait_for(asyncio.gather(read(0), read(1)), 5)
        for partition in range(3):
            mine = [(lane, name) for lane, name in seen if name.startswith(f"{partition}-")]
            assert mine == [(partition % 2, f"{partition}-{n}") for n in range(5)]
        assert seen.index((1, "1-4")) < seen.index((0, "0-1"))

    asyncio.run(go())


def test_a_cancelled_reader_leaves_the_channel_to_the_other_lane() -> None:
    async def go() -> None:
        channel = Channel([], ends=False)
        lanes = Lanes(channel, 2)
        first = asyncio.ensure_future(lanes.next(0))
        second = asyncio.ensure_future(lanes.next(1))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        channel.events, channel.ends = [event("one", 1)], True
        second_again = asyncio.ensure_future(lanes.next(1))
        second.cancel()
        assert (await asyncio.wait_for(second_again, 2)).value == "one"

    asyncio.run(go())


def test_an_agent_that_returns_ends_the_process(tmp_path: Any) -> None:
    """Trap: an agent that came back early would leave its partitions unread for ever."""
    code = (
        "import asyncio\n"
        "from types import SimpleNamespace as N\n"
        "from consent_stream.engine.stream import SliceAgent\n"
        "agent = object.__new__(SliceAgent)\n"
        "agent.app = N(should_stop=False); agent.name = 'state'\n"
        "agent._stopped = asyncio.Event(); agent._crashed = asyncio.Event()\n"
        "async def body(): return None\n"
        "asyncio.run(agent._execute_actor(body(), N()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 70
    assert "FAIL-STOP: agent" in done.stderr
