"""A worker's disk fills up, and its stores are damaged while it is stopped and while it runs: it says so, goes on from
`consent.state`, and is never silently wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults.committed import stores
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, Worker, await_that
from tests.faults.disks import HARMS, SmallDisk, check_rows, harm, small_disk
from tests.faults.population import events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SEED = int(os.environ.get("FAULT_SEED", "1"))


@pytest.fixture
def disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[SmallDisk]:
    """The disk that worker w1 has for itself."""
    with small_disk(tmp_path / "data-w1") as found:
        with capsys.disabled():
            print(f" [a full disk is: {found.form}] ", end="", flush=True)
        yield found


def test_a_full_disk_stops_a_worker_and_loses_nothing(deployment: Deployment, disk: SmallDisk) -> None:
    worker = deployment.worker("w1").start().await_ready()
    with deployment.feeding(events(3_000, 300, people=500, seed=SEED), seconds=4, seed=SEED):
        await_that("events arrive", lambda: len(deployment.fed) > 500, 30)
        disk.fill(worker)
        assert worker.wait(40) == 70
    assert "its disk is full" in worker.log.splitlines()[-1]
    if disk.form == "tmpfs":
        worker.start()  # as a supervisor does: it must not make it worse
        assert worker.wait(40) == 70
        assert "its disk is full" in worker.log.splitlines()[-1]
    disk.empty()
    worker.start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    assert "rebuilding" not in worker.log, "a healthy store was thrown away"
    assert check_everything(deployment) > 300
    assert check_rows(deployment) > 0


@pytest.mark.long
def test_stores_damaged_while_the_worker_is_stopped_are_rebuilt(deployment: Deployment) -> None:
    random, arriving = Random(SEED), events(700, 100, people=200, seed=SEED + 1)
    worker = deployment.worker("w1").start().await_ready()
    deployment.produce(arriving)
    deployment.await_settled()
    worker.kill()
    worker.start().await_ready()  # what the log held is in tables now
    deployment.produce(arriving[:200])
    deployment.await_settled()
    worker.kill()
    for at, (path, _) in enumerate(stores(deployment)):  # another harm to each: all meet one start
        assert harm(path, list(HARMS)[(at + SEED) % len(HARMS)], random) > 0
    deployment.produce(arriving)  # every key again: every block that holds one is read
    worker.start()
    deployment.await_settled(meanwhile=worker.supervise)
    assert worker.stop() == 0
    assert worker.log.count("rebuilding") >= 3
    assert check_everything(deployment) > 100
    assert check_rows(deployment) > 0


def test_stores_damaged_under_a_running_worker_are_noticed_or_rebuilt(deployment: Deployment) -> None:
    random, arriving = Random(SEED), events(700, 100, people=200, seed=SEED + 2)
    worker = deployment.worker("w1").start().await_ready()
    deployment.produce(arriving)
    deployment.await_settled()
    worker.kill()
    worker.start().await_ready()
    for at, (path, _) in enumerate(stores(deployment)):
        harm(path, list(HARMS)[(at + SEED) % len(HARMS)], random)
    deployment.produce(arriving)
    deployment.await_settled(meanwhile=worker.supervise)
    # What it had open or in memory it may not have read again. The next start has to.
    worker.supervise()
    worker.kill()
    deployment.produce(arriving)
    worker.start()
    deployment.await_settled(meanwhile=worker.supervise)
    assert worker.stop() == 0
    assert worker.log.count("rebuilding") >= 3
    assert check_everything(deployment) > 100
    assert check_rows(deployment) > 0


def await_at_work(worker: Worker) -> None:
    """As its supervisor sees it: started again when it ends with a fault."""

    def at_work() -> bool:
        worker.supervise()
        return worker.at_work

    await_that("it is at work", at_work, 60)


@pytest.mark.long
@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_all_stores_damaged_at_once_in_each_way_in_turn(deployment: Deployment, running: bool) -> None:
    random, arriving = Random(SEED), events(4_000, 400, people=600, seed=SEED + 3)
    worker = deployment.worker("w1").start().await_ready()
    deployment.produce(arriving)
    deployment.await_settled()
    for name in HARMS:
        worker.kill()
        worker.start()
        await_at_work(worker)  # what the log held is in tables now
        if not running:
            worker.kill()
            assert sum(harm(path, name, random) for path, _ in stores(deployment)) > 0, name
            worker.start()
            await_at_work(worker)
        else:
            assert sum(harm(path, name, random) for path, _ in stores(deployment)) > 0, name
            deployment.produce(arriving[::3])
            deployment.await_settled(meanwhile=worker.supervise)
            worker.supervise()
            worker.kill()
            worker.start()
        deployment.produce(arriving[::3])
        deployment.await_settled(meanwhile=worker.supervise)
    deployment.produce(arriving)
    deployment.await_settled(meanwhile=worker.supervise)
    assert worker.stop() == 0
    assert check_everything(deployment, sample=None) > 500
    assert check_rows(deployment) > 0
