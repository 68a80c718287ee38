"""What an `AsyncGate` adds to a gate: nothing that waits holds up the loop. (The answers: tests/contract/gate.)"""

import asyncio
import time

import pytest

from consent_stream.gate.aio import PATIENCE, AsyncGate
from tests.gate.made import ANA, RING

NOBODY = "127.0.0.1:1"


def test_the_loop_runs_while_a_task_waits_until_it_is_ready():
    async def run():
        ticks = 0
        async with AsyncGate(bootstrap=NOBODY, keys=RING) as gate:
            waiting = asyncio.create_task(gate.wait_ready(0.5))
            while not waiting.done():
                await asyncio.sleep(0.01)
                ticks += 1
            return ticks, waiting.result()

    ticks, ready = asyncio.run(run())
    assert ticks >= 5
    assert not ready


def test_a_task_that_is_cancelled_leaves_no_thread_waiting():
    async def run():
        async with AsyncGate(bootstrap=NOBODY, keys=RING) as gate:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(gate.wait_for("0:10", 3600), 0.05)

    started = time.monotonic()
    asyncio.run(run())  # which waits for the threads
    assert time.monotonic() - started < PATIENCE + 20


def test_a_block_of_sending_is_that_of_the_gate():
    async def run():
        async with AsyncGate(bootstrap=NOBODY, keys=RING) as gate:
            async with gate.sending(tenant="acme", email=ANA, scope="news", message_id="m-1") as permit:
                assert not permit.ensure()
            with pytest.raises(ZeroDivisionError):
                async with gate.sending(tenant="acme", email=ANA, scope="news", message_id="m-2"):
                    raise ZeroDivisionError
            return permit.verdict.reasons

    assert asyncio.run(run()) == ("not_ready",)


def test_it_is_opened_before_it_is_asked():
    gate = AsyncGate(bootstrap=NOBODY)
    assert repr(gate) == "<AsyncGate, not open>"
    with pytest.raises(RuntimeError, match="async with"):
        gate.check(tenant="acme", email=ANA)


def test_a_wrong_argument_is_refused_when_it_is_opened():
    async def run():
        async with AsyncGate(channel="fax"):
            pass

    with pytest.raises(ValueError, match="fax"):
        asyncio.run(run())
