"""Brokers are lost: one of three, two of three, the only one in order, frozen; and produce is refused at run time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consent_stream import Gate
from consent_stream.dev.kafka import LocalKafka
from consent_stream.wire.topics import LEDGER, STATE, SUPPRESSION
from tests.faults.cluster import Cluster, cluster
from tests.faults.comparison import check_everything
from tests.faults.deployment import KEYS, Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY, events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SEED = int(os.environ.get("FAULT_SEED", "1"))
LIMIT = 3.0  # seconds: the staleness limit of the gates here
# Fewer partitions than declared: three nodes on a small machine replicate each of them.
COUNTS = {LEDGER: 4, STATE: 4} | {topic: 4 for topic in SUPPRESSION.values()}


@pytest.fixture
def three(kafka: str, tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path) as found:
        yield found


@pytest.fixture
def replicated(three: Cluster, tmp_path: Path, prefix: str) -> Iterator[Deployment]:
    deployment = Deployment(three.bootstrap, tmp_path, prefix, POLICY)
    three.make_topics(deployment.settings, COUNTS)
    three.await_in_sync()
    try:
        yield deployment
    finally:
        deployment.close()


def gate(deployment: Deployment) -> Gate:
    return Gate(deployment.settings, keys=KEYS, channel="email", staleness_limit=LIMIT, report=False)


def fresh(asked: Gate) -> bool:
    verdict = asked.check(tenant="t1", email="nobody@example.com")
    return not {"stale", "not_ready"} & set(verdict.reasons)


@pytest.mark.long
def test_one_of_three_brokers_is_lost_and_work_goes_on(three: Cluster, replicated: Deployment) -> None:
    worker = replicated.worker("w1").start().await_ready(60)
    with gate(replicated) as asked:
        await_that("the gate is fresh", lambda: fresh(asked), 60)
        for number in range(3):
            with replicated.feeding(events(900, 150, people=300, seed=SEED + number), seconds=4, seed=SEED) as feeder:
                await_that("events arrive", lambda: bool(replicated.fed), 30)
                three.nodes[number].kill()
                feeder.join(90)
            replicated.await_settled(90, meanwhile=worker.supervise)
            await_that("the gate is fresh with two brokers", lambda: fresh(asked), 60)
            three.start(number)
            three.await_in_sync()
            replicated.fed.clear()
    worker.supervise()
    await_that("the worker is at work", lambda: worker.at_work, 60)
    replicated.await_settled(60)
    assert worker.stop() == 0
    assert check_everything(replicated) > 300


@pytest.mark.long
def test_two_of_three_brokers_are_lost_and_nothing_acknowledged_is(three: Cluster, replicated: Deployment) -> None:
    worker = replicated.worker("w1").start().await_ready(60)
    with gate(replicated) as asked:
        await_that("the gate is fresh", lambda: fresh(asked), 60)
        with replicated.feeding(events(3_000, 300, people=500, seed=SEED + 7), seconds=8, seed=SEED):
            await_that("events arrive", lambda: bool(replicated.fed), 30)
            three.nodes[0].kill()
            three.nodes[1].kill()
            await_that("the gate denies", lambda: not fresh(asked), LIMIT + 15)
            three.start(0, 1)
            three.await_in_sync()
        # A worker waits, or has stopped with 70 where a transaction was refused: then a supervisor starts it.
        replicated.await_settled(120, meanwhile=worker.supervise)
        await_that("the gate is fresh again", lambda: fresh(asked), 60)
    assert len(set(replicated.fed)) == len(replicated.fed) >= 3_300
    assert worker.stop() == 0
    assert check_everything(replicated, sample=None) > 500


@pytest.mark.long
def test_the_only_broker_is_restarted_in_order_and_frozen(kafka: str, tmp_path: Path, prefix: str) -> None:
    broker = LocalKafka(data=tmp_path / "kafka", heap="320m")
    with broker, deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        worker = deployment.worker("w1").start().await_ready()
        with deployment.feeding(events(900, 150, people=200, seed=SEED + 11), seconds=3, seed=SEED) as feeder:
            await_that("events arrive", lambda: bool(deployment.fed), 30)
            broker.stop()
            broker.start()
            _freeze(broker, 4)
            feeder.join(60)
        deployment.await_settled(60, meanwhile=worker.supervise)
        assert worker.stop() == 0
        assert check_everything(deployment) > 200


@pytest.mark.long
def test_a_broker_frozen_past_every_session_costs_nothing(kafka: str, tmp_path: Path, prefix: str) -> None:
    broker = LocalKafka(data=tmp_path / "kafka", heap="320m")
    with broker, deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        worker: Worker = deployment.worker("w1").start().await_ready()
        with gate(deployment) as asked:
            await_that("the gate is fresh", lambda: fresh(asked), 60)
            with deployment.feeding(events(2_000, 200, people=300, seed=SEED + 12), seconds=5, seed=SEED):
                await_that("events arrive", lambda: bool(deployment.fed), 30)
                _freeze(broker, 45, lambda: not fresh(asked))
            deployment.await_settled(90, meanwhile=worker.supervise)
            await_that("the gate is fresh again", lambda: fresh(asked), 60)
        assert worker.stop() == 0
        assert check_everything(deployment, sample=None) > 300


def _freeze(broker: LocalKafka, seconds: float, meanwhile: Callable[[], bool] = lambda: True) -> None:
    """As a machine that pauses: the sockets stay, nobody answers. `meanwhile` must hold before it goes on."""
    jvm = broker._jvm
    assert jvm is not None
    jvm.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)  # the length of the pause is what is tested
        assert meanwhile()
    finally:
        jvm.send_signal(signal.SIGCONT)
