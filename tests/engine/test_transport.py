"""The consumer's moving parts against stand-ins: fetch and seek, rebalances, stopping."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiokafka.structs
import pytest
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from consent_stream.engine import transport as module
from consent_stream.engine.progress import Progress, Room
from consent_stream.engine.starts import Start
from consent_stream.engine.transport import SliceConsumer

A, B = TP("t", 0), TP("t", 1)


def record(offset: int, tp: TP = A) -> Any:
    return aiokafka.structs.ConsumerRecord(tp.topic, tp.partition, offset, 1, 0, b"k", b"v", None, 1, 1, ())


class StopHereError(Exception):
    """Stands in for the end of the process."""


@pytest.fixture(autouse=True)
def stops(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    told: list[Any] = []

    def stop(why: object) -> None:
        told.append(why)
        raise StopHereError(str(why))

    monkeypatch.setattr(module, "fail_stop", stop)
    return told


class Bench:
    """A SliceConsumer whose thread and app are ours. Make it inside a running loop."""

    def __init__(self) -> None:
        self.delivered: list[Any] = []
        self.commits: list[dict[TP, int]] = []
        self.calls: list[str] = []
        self.consumer = consumer = object.__new__(SliceConsumer)
        consumer._loop = asyncio.get_running_loop()
        consumer._fetching, consumer._room = asyncio.Lock(), asyncio.Event()
        consumer._moved, consumer.epoch, consumer.flow_active = False, 1, True
        consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
        consumer._unacked_messages, consumer._waiting_for_ack, consumer._commit_fut = set(), None, None
        consumer._stopped, consumer._crashed, consumer._shutdown = asyncio.Event(), asyncio.Event(), asyncio.Event()
        consumer._active_partitions, consumer._paused_partitions = {A, B}, set()
        consumer.progress = Progress()
        consumer.progress.reset({A: 0, B: 0}, {A: 0, B: 0})
        consumer.callback = self._callback
        consumer.wait_first = self._wait_first
        consumer._thread = SimpleNamespace(take=self.take, assignment=lambda: {A, B}, commit=self._commit)
        flow = FlowControlEvent()
        flow.resume()
        consumer.app = SimpleNamespace(
            consumer_generation_id=1,
            client_only=False,
            should_stop=False,
            lanes=1,
            slice_records=2000,
            slice_bytes=1 << 20,
            flow_control=flow,
            conf=SimpleNamespace(broker_rebalance_timeout=1.0),
            monitor=SimpleNamespace(on_tp_commit=lambda offsets: None),
            sensors=SimpleNamespace(),
        )
        self.taking = asyncio.Event()
        self.records: dict[TP, Any] = {A: [record(0), record(1)]}

    async def take(self, rooms: Any, owned: Any, timeout: float) -> Any:
        self.rooms, self.owned = rooms, owned
        self.calls.append("take")
        self.taking.set()
        await asyncio.sleep(0.02)
        self.calls.append("taken")
        return self.records, {}

    async def _callback(self, message: Any) -> None:
        self.delivered.append(message)
        self.consumer._unacked_messages.add(message)

    async def _wait_first(self, first: Any, other: Any, **_: Any) -> None:
        other.close()
        await first

    async def _commit(self, offsets: dict[TP, int]) -> bool:
        self.calls.append("commit")
        self.commits.append(offsets)
        return True


def rooms() -> dict[str, Room]:
    return {"t": Room(4, [A, B])}


def test_a_fetch_in_flight_cannot_pass_a_seek() -> None:
    """Trap: records fetched before a seek arrived after it, looked like a gap, and the hole counted as acknowledged."""

    async def go() -> None:
        bench = Bench()
        consumer = bench.consumer

        async def seek(states: Any) -> dict[TP, Any]:
            bench.calls.append("seek")
            return {}

        consumer._thread.take_positions = seek
        consumer.app.tables = SimpleNamespace(source_states=dict, rewound=lambda: None)

        async def fetch() -> None:
            async with consumer._fetching:
                await consumer._fetch(rooms())

        running = asyncio.ensure_future(fetch())
        await bench.taking.wait()
        await consumer.perform_seek()
        await running
        assert bench.calls[:3] == ["take", "taken", "seek"]
        assert consumer.epoch == 2
        assert bench.delivered[0].epoch == 1, "the stream drops it by its epoch"

    asyncio.run(go())


@pytest.mark.parametrize("what", ["flow", "generation"])
def test_records_dropped_in_a_rebalance_need_a_seek(what: str, stops: list[Any]) -> None:
    """Resuming without one would skip them in silence."""

    async def go() -> None:
        bench = Bench()
        running = asyncio.ensure_future(bench.consumer._fetch(rooms()))
        await bench.taking.wait()
        if what == "flow":
            bench.consumer.flow_active = False
        else:
            bench.consumer.app.consumer_generation_id = 2
        await running
        assert bench.delivered == []
        bench.consumer.flow_active = True
        with pytest.raises(StopHereError, match="without a seek"):
            await bench.consumer._fetch(rooms())

    asyncio.run(go())


def test_offsets_that_go_back_stop_the_process() -> None:
    async def go() -> None:
        bench = Bench()
        bench.consumer.progress.reset({A: 5, B: 0}, {A: 5, B: 0})
        with pytest.raises(Exception, match="went back: offset 0 after 5"):
            await bench.consumer._fetch(rooms())

    asyncio.run(go())


def test_the_first_record_wanted_is_delivered() -> None:
    """Trap: after a seek `_read_offset` is the next record wanted; `>` instead of `>=` lost it at every restart."""

    async def go() -> None:
        bench = Bench()
        bench.consumer.progress.reset({A: 7, B: 0}, {A: 7, B: 0})
        bench.records = {A: [record(7), record(8)]}
        await bench.consumer._fetch(rooms())
        (message,) = bench.delivered
        assert (message.value.first, message.value.next) == (7, 9)

    asyncio.run(go())


def test_the_set_asked_for_is_our_own() -> None:
    """Trap: Faust passes its live set to another thread, and aiokafka takes an empty one for "all partitions"."""

    async def go() -> None:
        bench = Bench()
        await bench.consumer._fetch(rooms())
        assert bench.owned == {A, B}
        assert bench.owned is not bench.consumer._active_partitions

    asyncio.run(go())


def test_what_is_acknowledged_is_committed_before_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: `Consumer.on_partitions_revoked` pops the acknowledged offsets first and commits afterwards."""

    async def go() -> None:
        bench = Bench()
        consumer = bench.consumer

        async def then(_: Any, revoked: Any) -> None:
            bench.calls.append("faust")

        monkeypatch.setattr(module.driver.Consumer, "on_partitions_revoked", then)
        await consumer._fetch(rooms())
        running = asyncio.ensure_future(consumer.on_partitions_revoked({A, B}))
        await asyncio.sleep(0.01)
        assert bench.commits == [], "the slice in hand is waited for"
        consumer.ack(bench.delivered[0])
        await running
        assert bench.commits == [{A: 2}]
        assert bench.calls[-2:] == ["commit", "faust"]

    asyncio.run(go())


def test_stopping_waits_for_the_slice_in_hand() -> None:
    """Trap: `Consumer.wait_empty` does nothing once the consumer should stop."""

    async def go() -> None:
        bench = Bench()
        await bench.consumer._fetch(rooms())
        bench.consumer._stopped.set()
        running = asyncio.ensure_future(bench.consumer.wait_empty())
        await asyncio.sleep(0.01)
        assert not running.done()
        bench.consumer.ack(bench.delivered[0])
        await running
        assert bench.commits == [{A: 2}]

    asyncio.run(go())


def test_a_slice_that_never_ends_stops_the_process() -> None:
    """Trap: after an agent died Faust waits for its acknowledgement for ever."""

    async def go() -> None:
        bench = Bench()
        await bench.consumer._fetch(rooms())
        with pytest.raises(StopHereError, match="did not finish"):
            await bench.consumer.wait_empty()

    asyncio.run(go())


@pytest.mark.parametrize("stopping", [True, False])
def test_a_cancel_is_no_crash_when_stopping(stopping: bool) -> None:
    """Trap: `Fetcher._fetcher` takes a cancel during a rebalance for a crash: SIGTERM then exits 1."""

    async def go() -> None:
        bench = Bench()
        bench.consumer.app.should_stop = stopping
        task = asyncio.ensure_future(bench.consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event())))
        await bench.taking.wait()
        task.cancel()
        if stopping:
            await task
        else:
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(go())


def test_stopping_before_the_consumer_started_is_quiet() -> None:
    """Trap: `Consumer.assignment()` raises ConsumerNotStarted and hides why the worker stopped."""

    async def go() -> None:
        bench = Bench()
        bench.consumer.progress.clear()
        bench.consumer._thread.assignment = pytest.fail
        assert await bench.consumer.force_commit() is False

    asyncio.run(go())


def test_a_refused_commit_is_not_taken_for_one() -> None:
    """Trap: Faust notes the offset as committed also when the commit returned False."""

    async def go() -> None:
        bench = Bench()
        await bench.consumer._fetch(rooms())
        bench.consumer.ack(bench.delivered[0])

        async def refused(offsets: dict[TP, int]) -> bool:
            return False

        taken, bench.consumer._thread.commit = bench.consumer._thread.commit, refused
        assert await bench.consumer.force_commit() is False
        bench.consumer._thread.commit = taken
        assert await bench.consumer.force_commit() is True
        assert bench.commits == [{A: 2}]

    asyncio.run(go())


@pytest.mark.parametrize(("answers", "forgotten"), [([True], 1), ([False, True], 1), ([False, False], 0)])
def test_a_rewind_is_remembered_until_its_commit_is_taken(answers: list[bool], forgotten: int) -> None:
    """A group that rebalances at that moment refuses it: the next round must fold the source again, not go on."""

    async def go() -> None:
        bench, marks = Bench(), []
        consumer = bench.consumer

        async def seek(states: Any) -> dict[TP, Start]:
            return {A: Start(0, 500, rewound=True), B: Start(7, 7)}

        async def commit(offsets: dict[TP, int]) -> bool:
            assert offsets == {A: 0}
            if not answers[1:] and not forgotten:
                consumer.progress.clear()  # revoked meanwhile
            return answers.pop(0)

        consumer._thread.take_positions, consumer._thread.commit = seek, commit
        consumer.app.tables = SimpleNamespace(source_states=dict, rewound=lambda: marks.append("forgotten"))
        await consumer.perform_seek()
        assert len(marks) == forgotten
        assert answers == []

    asyncio.run(go())


def test_an_acknowledgement_wakes_a_fetch_that_waits_for_room() -> None:
    """Trap: at the buffer limit Faust's fetcher sleeps a whole second (97 k events/s became 41 k)."""

    async def go() -> None:
        bench = Bench()
        bench.consumer._active_partitions = {A}
        bench.records = {}
        for offset in range(module.PER_PARTITION):
            await bench.consumer._deliver(A, [record(offset)], 1)
        task = asyncio.ensure_future(bench.consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event())))
        await asyncio.sleep(0.05)
        assert not bench.taking.is_set(), "there is no room"
        bench.consumer.ack(bench.delivered[0])
        await asyncio.wait_for(bench.taking.wait(), 0.3)
        bench.consumer.app.should_stop = True
        task.cancel()
        await task

    asyncio.run(go())


def test_an_acknowledgement_counts_once() -> None:
    async def go() -> None:
        bench = Bench()
        await bench.consumer._fetch(rooms())
        (message,) = bench.delivered
        assert bench.consumer.ack(message) is True
        assert bench.consumer.ack(message) is False
        assert message.value is None, "its records are free"

    asyncio.run(go())
