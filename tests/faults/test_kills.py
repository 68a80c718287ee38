"""Workers die at any point while events arrive, and nothing is lost: what the topics hold in the end is computed from
the input alone and compared."""

from __future__ import annotations

import os
import shutil
import signal
import time
from random import Random

import pytest

from consent_stream.engine.failure import FAIL_POINTS
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, await_that
from tests.faults.population import events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
KILLS = 12
# A failure names its seed; the same moments cannot be had again, but the same events can.
SEED = int(os.environ.get("FAULT_SEED", "1"))


@pytest.mark.long
def test_a_worker_killed_a_dozen_times_loses_nothing(deployment: Deployment) -> None:
    random, worker = Random(SEED), deployment.worker("w1")
    with deployment.feeding(events(22_000, 3_000, seed=SEED), seconds=25, seed=SEED):
        for kill in range(KILLS):
            worker.start()
            if kill % 3:  # every third dies while it starts: joining, restoring, positioning
                worker.await_ready()
            time.sleep(random.uniform(0, 1.2))  # the random point is the test, nothing is waited for
            worker.kill()
            if kill == KILLS // 2:
                shutil.rmtree(worker.data_dir)  # a machine that never comes back: the next one starts from the topics
        worker.start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    assert check_everything(deployment) > 5_000


def test_a_worker_that_dies_at_each_named_passage_loses_nothing(deployment: Deployment) -> None:
    worker = deployment.worker("w1")
    for number, point in enumerate(sorted(FAIL_POINTS)):
        deployment.produce(events(400, 60, people=300, seed=SEED + 10 + number))
        worker.start(CONSENT_FAIL_POINT=f"{point}:{number + 1}")
        assert worker.wait(40) == -signal.SIGKILL, f"it never came to {point}"
    worker.start()
    deployment.await_settled()
    assert worker.stop() == 0
    assert check_everything(deployment) > 300


@pytest.mark.long
def test_workers_that_come_and_go_lose_nothing(deployment: Deployment) -> None:
    steady, guest = deployment.worker("w1"), deployment.worker("w2", static=False)
    third = deployment.worker("w3", static=False)
    with deployment.feeding(events(16_000, 1_500, seed=SEED + 2), seconds=25, seed=SEED):
        steady.start().await_ready()
        guest.start().await_ready()
        assert guest.stop() == 0
        steady.await_ready()  # it has everything back, and its partitions restored
        third.start().await_ready()
        guest.start().await_ready()
        steady.kill()
        steady.start().await_ready()
        assert third.stop() == 0
        guest.await_ready()
        guest.kill()  # nobody knows until its session times out
        steady.await_ready(30)
    deployment.await_settled()
    assert steady.stop() == 0
    assert check_everything(deployment) > 4_000


def test_a_worker_that_was_frozen_past_its_session_writes_nothing_old(deployment: Deployment) -> None:
    zombie, heir = deployment.worker("w1"), deployment.worker("w2")
    with deployment.feeding(events(16_000, 1_500, people=800, seed=SEED + 3), seconds=25, seed=SEED):
        zombie.start().await_ready()
        heir.start().await_ready()
        zombie.await_ready()
        zombie.signal(signal.SIGSTOP)
        heir.await_ready(40)  # all partitions are its own now
        zombie.signal(signal.SIGCONT)
        await_that("it has noticed", lambda: zombie.readies > 2 or not zombie.running, 40)
    # It finds its way back into the group, and is fenced off at the latest when it writes: a fault, and a new start.
    deployment.await_settled(meanwhile=zombie.supervise)
    zombie.supervise()
    await_that("both are at work", lambda: zombie.at_work and heir.at_work, 40)
    assert zombie.stop() == 0
    assert heir.stop() == 0
    assert check_everything(deployment) > 3_000
