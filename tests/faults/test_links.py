"""The link between our processes and Kafka is slow, cut, or dark; Kafka itself is well all the time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from consent_stream import Gate
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.ports import free_ports
from tests.faults.comparison import check_everything
from tests.faults.deployment import KEYS, Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY, events
from tests.faults.proxy import Link, link

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SEED = int(os.environ.get("FAULT_SEED", "1"))
LIMIT = 2.0  # seconds: the staleness limit of the gate


class Linked:
    """A deployment whose worker and gate each have a link of their own; the test itself speaks to Kafka directly.

    Kafka names an address for each listener, so that what came in over a link stays on it.
    """

    def __init__(self, deployment: Deployment, worker: Link, gate: Link) -> None:
        self.deployment, self.of_worker, self.of_gate = deployment, worker, gate

    def worker(self, name: str) -> Worker:
        made = self.deployment.worker(name)
        made._environment["CONSENT_BOOTSTRAP"] = f"127.0.0.1:{self.of_worker.port}"
        return made

    def gate(self) -> Gate:
        settings = replace(self.deployment.settings, bootstrap=f"127.0.0.1:{self.of_gate.port}")
        return Gate(settings, keys=KEYS, channel="email", staleness_limit=LIMIT, report=False)


@pytest.fixture(scope="module")
def brokered(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalKafka, Link, Link]]:
    with ExitStack() as stack:
        links = [stack.enter_context(link()) for _ in range(2)]
        ports = free_ports(2)
        own = [f"LINK{n}://127.0.0.1:{port}" for n, port in enumerate(ports)]
        told = [f"LINK{n}://127.0.0.1:{each.port}" for n, each in enumerate(links)]
        properties = {
            "listeners": ",".join(["PLAINTEXT://127.0.0.1:{port}", "CONTROLLER://127.0.0.1:{controller_port}", *own]),
            "advertised.listeners": ",".join(["PLAINTEXT://127.0.0.1:{port}", *told]),
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT" for name in ("CONTROLLER", "PLAINTEXT", "LINK0", "LINK1")
            ),
        }
        for each, port in zip(links, ports, strict=True):
            each.lead_to(port)
        broker = LocalKafka(properties=properties, heap="384m")
        yield stack.enter_context(broker), links[0], links[1]


@pytest.fixture
def linked(brokered: tuple[LocalKafka, Link, Link], tmp_path: Path, prefix: str) -> Iterator[Linked]:
    broker, worker, gate = brokered
    with deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        yield Linked(deployment, worker, gate)
    for each in (worker, gate):
        each.delay, each.rate, each.dark = 0.0, None, False


def fresh(asked: Gate) -> bool:
    return not {"stale", "not_ready"} & set(asked.check(tenant="t1", email="nobody@example.com").reasons)


def test_a_worker_behind_a_slow_link_that_is_cut_all_the_time_loses_nothing(linked: Linked) -> None:
    deployment, random = linked.deployment, Random(SEED)
    linked.of_worker.delay, linked.of_worker.rate = 0.01, 2_000_000
    worker = linked.worker("w1").start().await_ready(60)
    with deployment.feeding(events(1_500, 200, people=300, seed=SEED + 30), seconds=5, seed=SEED):
        for _ in range(6):
            before = linked.of_worker.carried
            await_that("something is under way", lambda: linked.of_worker.carried > before + 20_000, 30)  # noqa: B023
            time.sleep(random.uniform(0, 0.1))  # anywhere in a slice
            linked.of_worker.cut()
            worker.supervise()
    linked.of_worker.delay, linked.of_worker.rate = 0.0, None
    deployment.await_settled(60, meanwhile=worker.supervise)
    worker.supervise()
    await_that("the worker is at work", lambda: worker.at_work, 40)
    assert worker.stop() == 0
    assert check_everything(deployment) > 250


def test_a_gate_in_the_dark_denies_within_its_limit_and_recovers(linked: Linked) -> None:
    worker = linked.worker("w1").start().await_ready(60)
    with linked.gate() as asked:
        await_that("the gate is fresh", lambda: fresh(asked), 40)
        linked.of_gate.dark = True
        dark = time.monotonic()
        await_that("the gate denies", lambda: not fresh(asked), LIMIT + 5)
        assert time.monotonic() - dark < LIMIT + 1.5
        time.sleep(2)  # for longer than one poll; nothing gets through, so there is nothing to wait for
        assert not fresh(asked)
        linked.of_gate.dark = False
        await_that("the gate is fresh again", lambda: fresh(asked), 60)
        linked.of_gate.cut()
        time.sleep(0.3)
        await_that("and after a cut", lambda: fresh(asked), 40)
    assert worker.stop() == 0


@pytest.mark.long
def test_a_worker_in_the_dark_for_longer_than_its_session_writes_nothing_old(linked: Linked) -> None:
    """Another takes its partitions over meanwhile; what the first one still has in its sockets arrives afterwards."""
    deployment = linked.deployment
    lost, heir = linked.worker("w1").start().await_ready(60), deployment.worker("w2")
    with linked.gate() as asked:
        with deployment.feeding(events(6_000, 600, people=600, seed=SEED + 31), seconds=30, seed=SEED):
            heir.start().await_ready(60)
            await_that("the gate is fresh", lambda: fresh(asked), 40)
            linked.of_worker.dark = True
            heir.await_ready(60)  # all partitions are its own now
            await_that("the gate is fresh by the heir alone", lambda: fresh(asked), 40)
            linked.of_worker.dark = False
        deployment.await_settled(120, meanwhile=lost.supervise)
        lost.supervise()
    await_that("both are at work", lambda: lost.at_work and heir.at_work, 60)
    assert lost.stop() == 0
    assert heir.stop() == 0
    assert check_everything(deployment, sample=None) > 1_000
