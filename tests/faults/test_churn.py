"""Workers are restarted one after the other, and join and leave all the time, while events arrive."""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, await_that
from tests.faults.population import events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SEED = int(os.environ.get("FAULT_SEED", "1"))


@pytest.mark.long
def test_a_rolling_restart_under_load_loses_nothing(deployment: Deployment) -> None:
    workers = [deployment.worker(f"w{n}") for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.await_ready(60)
    with deployment.feeding(events(12_000, 1_200, people=1_500, seed=SEED + 20), seconds=30, seed=SEED):
        for worker in workers:
            assert worker.stop() == 0
            worker.start().await_ready(60)
    deployment.await_settled(90)
    assert [worker.stop() for worker in workers] == [0, 0, 0]
    assert check_everything(deployment, sample=None) > 2_000


@pytest.mark.long
def test_a_storm_of_joins_and_leaves_loses_nothing(deployment: Deployment) -> None:
    """Every two seconds somebody comes or goes, so that hardly a rebalance ends before the next begins."""
    random = Random(SEED)
    steady = deployment.worker("w1").start().await_ready()
    guests = [deployment.worker(f"g{n}", static=False) for n in range(2)]
    with deployment.feeding(events(8_000, 800, people=1_000, seed=SEED + 21), seconds=24, seed=SEED):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            guest = random.choice(guests)
            if not guest.running:
                guest.start()
            elif random.random() < 0.5:
                guest.stop()
            else:
                guest.kill()
            time.sleep(2)  # the pace of the storm
    for guest in guests:
        guest.close()
    deployment.await_settled(120, meanwhile=steady.supervise)
    await_that("it is at work", lambda: steady.at_work, 60)
    assert steady.stop() == 0
    assert check_everything(deployment, sample=None) > 1_500
