"""The clock of a worker's host is wrong, jumps, or stands still: the broker's append time is the one that counts, so
state is byte for byte the same, and no list is called fresher than it is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consent_stream import Gate
from tests.faults.comparison import check_everything
from tests.faults.deployment import KEYS, Deployment, Worker, await_that
from tests.faults.population import events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SEED = int(os.environ.get("FAULT_SEED", "1"))
DAY_S = 86_400
RIGHT, AHEAD, BEHIND = "+0", "+3600", "-3600"
FROZEN, LONG_AGO, FAR_AHEAD = "1773144000", f"-{30 * 365 * DAY_S}", f"+{DAY_S}"
LIMIT_S = 3.0  # how old an answer of the gate may be
FOLDER = Path(__file__).parent / "wrongclock"


class Clock:
    """The wall clock that a worker's Python code reads, while it runs: `+SECONDS`, `-SECONDS`, or an instant at which
    it stands still. How long it waits stays true.

    libfaketime would reach librdkafka too, which then waits for ever: it reads one clock and waits by another. So what
    librdkafka stamps on records is right here; no rule looks at it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.environment = {"PYTHONPATH": str(FOLDER), "WRONG_CLOCK": str(self._file)}
        self.set(RIGHT)

    def set(self, to: str) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(to)
        fresh.replace(self._file)


@contextmanager
def mail(deployment: Deployment) -> Iterator[Gate]:
    with Gate(deployment.settings, keys=KEYS, channel="email", staleness_limit=LIMIT_S, report=False) as gate:
        yield gate


def await_fresh(gate: Gate, worker: Worker) -> None:
    def fresh() -> bool:
        worker.supervise()
        return not says_stale(gate)

    await_that("the gate is fresh", fresh, 40)


def says_stale(gate: Gate) -> bool:
    said = gate.check(tenant="t1", email="ana@example.com", purpose="marketing", scope="news")
    return "stale" in said.reasons or "not_ready" in said.reasons


def jump(deployment: Deployment, worker: Worker, clock: Clock, gate: Gate, to: str, seed: int) -> None:
    """The clock jumps under load; the worker is held up, and the gate has to see through what was claimed."""
    clock.set(to)
    deployment.produce(events(250, 30, people=150, seed=seed))
    time.sleep(1.5)  # the jump has to have its effect, or none
    worker.supervise()
    worker.signal(signal.SIGSTOP)
    deployment.produce(events(50, 10, people=150, seed=seed + 1))
    time.sleep(LIMIT_S)
    # Nothing of this has been applied for as long as an answer may be old: whoever calls it fresh now is wrong.
    assert says_stale(gate), f"fresh with a worker that stands still, its clock at {to}"
    worker.signal(signal.SIGCONT)
    clock.set(RIGHT)
    await_fresh(gate, worker)


def test_jumps_of_a_running_workers_clock_change_no_byte_and_make_nothing_fresher(deployment: Deployment) -> None:
    clock = Clock(deployment.folder)
    worker = deployment.worker("w1").start(**clock.environment)
    worker.await_ready(60)
    with mail(deployment) as gate:
        await_fresh(gate, worker)
        for number, to in enumerate((AHEAD, BEHIND)):
            jump(deployment, worker, clock, gate, to, SEED + 30 + 2 * number)
        deployment.await_settled(meanwhile=worker.supervise)
    assert worker.stop() == 0
    assert check_everything(deployment) > 100


@pytest.mark.long
def test_a_worker_that_starts_with_a_wrong_clock_says_nothing_wrong(deployment: Deployment) -> None:
    clock = Clock(deployment.folder)
    worker = deployment.worker("w1")
    for number, at in enumerate((LONG_AGO, FAR_AHEAD)):
        deployment.produce(events(250, 30, people=150, seed=SEED + 40 + number))
        clock.set(at)
        worker.start(**clock.environment).await_ready(60)
        deployment.await_settled(meanwhile=worker.supervise)
        assert worker.stop() == 0
    worker.start().await_ready()
    with mail(deployment) as gate:
        await_fresh(gate, worker)
    assert worker.stop() == 0
    assert check_everything(deployment) > 100


@pytest.mark.long
def test_every_jump_of_a_running_workers_clock(deployment: Deployment) -> None:
    clock = Clock(deployment.folder)
    worker = deployment.worker("w1").start(**clock.environment)
    worker.await_ready(60)
    with mail(deployment) as gate:
        await_fresh(gate, worker)
        for number, to in enumerate((AHEAD, BEHIND, FROZEN, LONG_AGO, FAR_AHEAD, "+5", "-5") * 2):
            jump(deployment, worker, clock, gate, to, SEED + 50 + 2 * number)
        deployment.await_settled(meanwhile=worker.supervise)
    assert worker.stop() == 0
    assert check_everything(deployment, sample=None) > 100
