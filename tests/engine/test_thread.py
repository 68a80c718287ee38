"""The consumer thread: what it asks of aiokafka, and how it sets it up."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from consent_stream.engine.progress import Room
from consent_stream.engine.thread import SliceThread

A, B = TP("t", 0), TP("t", 1)


class Fetcher:
    """aiokafka's, as far as `take` uses it: notes what is asked of it."""

    def __init__(self, waiting: dict[TP, list[Any]]) -> None:
        self.waiting = waiting
        self.asked: list[tuple[frozenset[TP], float]] = []
        self._closed = False
        self._subscriptions = SimpleNamespace(
            fetch_context=lambda: pytest.MonkeyPatch.context(),
            subscription=SimpleNamespace(assignment=SimpleNamespace(active=True, tps=set())),
        )

    async def fetched_records(self, partitions: set[TP], timeout: float, max_records: int) -> dict[TP, list[Any]]:
        self.asked.append((frozenset(partitions), timeout))
        found = {}
        for tp in partitions:
            if self.waiting.get(tp):
                found[tp], self.waiting[tp] = self.waiting[tp][:max_records], self.waiting[tp][max_records:]
        return found


def thread(fetcher: Fetcher) -> SliceThread:
    made = object.__new__(SliceThread)
    made.consumer = SimpleNamespace(flow_active=True)
    made.app = SimpleNamespace(slice_records=2)
    made._clock = SimpleNamespace(asked_ms={})
    made._consumer = SimpleNamespace(_fetcher=fetcher, _closed=False)
    return made


def test_a_backlog_in_one_partition_starves_no_other() -> None:
    """Trap: `fetched_records` of several empties the first one's buffer before it looks at the next."""
    fetcher = Fetcher({A: [1] * 100, B: [1] * 4})

    async def go() -> None:
        made = thread(fetcher)
        first, _ = await made._take({"t": Room(4, [A, B])}, frozenset({A, B}), 0.2)
        assert {tp: len(records) for tp, records in first.items()} == {A: 2, B: 2}
        turns = [set((await made._take({"t": Room(1, [A, B])}, frozenset(), 0.2))[0]) for _ in range(2)]
        assert turns[0] != turns[1]

    asyncio.run(go())


def test_an_empty_fetch_waits_for_the_ready_ones_only() -> None:
    fetcher = Fetcher({})

    async def go() -> None:
        await thread(fetcher)._take({"t": Room(4, [A]), "u": Room(4, [B])}, frozenset(), 0.2)
        assert fetcher.asked[-1] == (frozenset({A, B}), 0.2)
        assert all(asked for asked, _ in fetcher.asked), 'an empty set means "all" to aiokafka'

    asyncio.run(go())


def test_the_worker_s_consumer_is_set_up_for_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traps: Faust hard-codes a fetch wait of 1500 ms, read_uncommitted, and round robin for an app without tables."""
    plain = SimpleNamespace(_fetch_max_wait_ms=1500, _isolation_level=None, _partition_assignment_strategy=["other"])
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda *_: plain)
    made = object.__new__(SliceThread)
    made.app = SimpleNamespace(fetch_max_wait_ms=50, fence=True, assignor="faust's")
    made._create_worker_consumer(None)
    assert (plain._fetch_max_wait_ms, plain._isolation_level) == (50, "read_committed")
    assert plain._partition_assignment_strategy == ["faust's"]


def test_the_attributes_set_are_those_aiokafka_reads() -> None:
    async def go() -> None:
        real = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
        names = ("_fetch_max_wait_ms", "_isolation_level", "_partition_assignment_strategy")
        assert [name for name in names if not hasattr(real, name)] == []

    asyncio.run(go())
