"""Freshness rests on when a fetch was asked for, not on when its response was read."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from aiokafka.consumer.fetcher import Fetcher
from faust.types import TP

from consent_stream.engine.fetchclock import FetchClock

A, B = TP("t", 0), TP("t", 1)


class Responding:
    """A Fetcher whose response to every request is read late, and tells of the partitions in `told` only."""

    def __init__(self, told: set[TP]) -> None:
        self.states = {tp: SimpleNamespace(timestamp=None) for tp in (A, B)}
        self.told = told

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        await asyncio.sleep(0.05)
        for tp in self.told:
            self.states[tp].timestamp = time.time_ns() // 1_000_000
        return True


def ask(fetcher: Responding, *partitions: int) -> bool:
    request = SimpleNamespace(topics=[("t", [(partition, 0, 1) for partition in partitions])])
    assignment = SimpleNamespace(state_value=fetcher.states.get)
    told: bool = asyncio.run(fetcher._proc_fetch_request(assignment, 1, request))
    return told


def test_a_response_read_late_claims_the_time_of_its_request() -> None:
    """A worker frozen with a response in its socket must not claim the moment it woke up."""
    fetcher = Responding({A})
    clock = FetchClock(fetcher)
    before = time.time_ns() // 1_000_000
    assert ask(fetcher, 0, 1) is True
    assert before <= clock.asked_ms[A] <= fetcher.states[A].timestamp - 50
    assert B not in clock.asked_ms, "the response did not tell of it"


def test_another_broker_s_response_is_not_ours() -> None:
    fetcher = Responding({A, B})
    clock = FetchClock(fetcher)
    ask(fetcher, 1)
    assert set(clock.asked_ms) == {B}


def test_aiokafka_still_asks_through_the_method_wrapped() -> None:
    assert "_proc_fetch_request" in Fetcher._fetch_requests_routine.__code__.co_names
