"""Freshness on a real broker with real workers, and what can go wrong with each of them.

Three things hold through every fault: no yes comes later than the limit after the last proof; no yes for a person comes
later than the limit after the withdrawal was accepted; and when the fault is over, the gate answers by itself again.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from consent_stream import Gate
from consent_stream.dev.jars import java, kafka_jars
from consent_stream.dev.kafka import LocalKafka
from consent_stream.wire.topics import EVENTS, LEDGER, SUPPRESSION, Topic
from tests.faults.deployment import KEYS, Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY
from tests.kafka.watch import SECOND, SetClock, Watch, now

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LIMIT = 2.0
HOUR = 3600 * SECOND
TENANT, SCOPE, ANA = "t1", "news", "ana@example.com"
LEAVING = [f"person{n}@example.com" for n in range(24)]  # each withdraws once
# A worker whose clock is wrong: what Python takes for the time, which is what its heartbeats claim.
WRONG_CLOCK = """\
import os, time
by = float(os.environ["CLOCK_SET_BY"])
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + by
time.time_ns = lambda: nanoseconds() + int(by * 1e9)
"""


class World:
    """One broker, one deployment, one worker, and a gate that is watched."""

    def __init__(self, broker: LocalKafka, deployment: Deployment, worker: Worker, watch: Watch) -> None:
        self.broker, self.deployment, self.worker, self.watch = broker, deployment, worker, watch
        self._leaving = iter(LEAVING)
        self._gone: list[tuple[str, int, tuple[int, int]]] = []

    def withdraw(self) -> str:
        """Somebody more leaves; returns when Kafka has accepted it."""
        email = next(self._leaving)
        (place,) = self.deployment.produce([event("unsubscribe.oneclick", f"w-{email}", email)])
        self._gone.append((email, now(), place))
        return email

    def check(self, watch: Watch | None = None) -> None:
        """Everybody is answered for again, and whoever left is denied and was never allowed too late."""
        watch = watch or self.watch
        watch.await_yes(ANA)
        for email, accepted, place in self._gone:
            assert watch.gate.wait_for(place, 30)
            assert watch.ask(email).reasons[-1] == "unsubscribed"
            watch.never_after(email, accepted)


@contextmanager
def watched(deployment: Deployment, clock: SetClock | None = None) -> Iterator[Watch]:
    """A gate that is asked all the time while the block runs."""
    settings = deployment.settings
    gate = Gate(
        bootstrap=settings.bootstrap, topic_prefix=settings.topic_prefix, keys=KEYS, staleness_limit=LIMIT,
        clock=clock.clock if clock else None,
    )  # fmt: skip
    with gate, Watch(gate, LIMIT, TENANT, SCOPE, [ANA, *LEAVING]) as watch:
        yield watch


def event(kind: str, ident: str, email: str) -> bytes:
    data: dict[str, Any] = {"email": email, "channel": "email", "scope": SCOPE}
    if kind == "consent.granted":
        data |= {"notice": {"id": "n1", "version": 3}, "evidence": "E3", "valid_until": "2100-01-01T00:00:00Z"}
    return orjson.dumps({"specversion": "1.0", "id": ident, "source": "/forms", "type": f"{kind}.v1", "tenant": TENANT,
                         "time": "2026-03-01T12:00:00Z", "data": data})  # fmt: skip


@pytest.fixture(scope="module")
def broker(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker of our own, for it is frozen and killed. (`kafka` skips where there is none.)"""
    java(), kafka_jars()
    with LocalKafka(data=tmp_path_factory.mktemp("broker")) as found:
        yield found


@pytest.fixture(scope="module")
def everything(broker: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with deployed(broker.bootstrap, tmp_path_factory.mktemp("fresh"), "fresh-", POLICY) as deployment:
        worker = deployment.worker("w1").start()
        deployment.produce(event("consent.granted", f"g-{each}", each) for each in (ANA, *LEAVING))
        worker.await_ready()
        with watched(deployment) as watch:
            yield World(broker, deployment, worker, watch)


@pytest.fixture
def world(everything: World) -> World:
    """All is well when a test begins, whatever the one before it left behind."""
    if not everything.worker.running:
        everything.worker.start().await_ready()
    everything.watch.await_yes(ANA)
    return everything


# -- workers


def test_a_dead_worker(world: World) -> None:
    world.worker.kill()
    dead = now()
    world.withdraw()
    world.watch.await_no_proof(dead)
    world.worker.start()
    world.check()


def test_a_frozen_worker(world: World) -> None:
    world.worker.signal(signal.SIGSTOP)
    frozen = now()
    world.withdraw()
    world.watch.await_no_proof(frozen)
    world.worker.signal(signal.SIGCONT)
    world.check()


def test_one_of_two_workers_is_frozen_and_the_heartbeats_of_its_partitions_are_missing(world: World) -> None:
    other = world.deployment.worker("w2", static=False).start().await_ready()
    world.watch.await_yes(ANA)
    other.signal(signal.SIGSTOP)
    frozen = now()
    world.withdraw()
    world.watch.await_no_proof(frozen)
    other.signal(signal.SIGCONT)
    world.check()
    assert other.stop() == 0


def test_a_worker_of_one_stage_alone_proves_nothing(broker: LocalKafka, tmp_path: Path, prefix: str) -> None:
    with deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        intake = deployment.worker("w1", "--agents", "intake").start()
        state = deployment.worker("w2", "--agents", "state")
        deployment.produce(event("consent.granted", f"g-{each}", each) for each in (ANA, *LEAVING))
        with watched(deployment) as watch:
            world = World(broker, deployment, state, watch)
            intake.await_ready()
            await_that("there are facts", lambda: sum(deployment.ends(LEDGER).values()) > len(LEAVING), 20)
            assert "stale" in watch.ask(ANA).reasons or "not_ready" in watch.ask(ANA).reasons
            assert watch.yes == []
            state.start()
            watch.await_yes(ANA)
            state.kill()
            dead = now()
            world.withdraw()
            watch.await_no_proof(dead)
            state.start()
            world.check()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_worker_whose_clock_is_wrong(world: World, tmp_path: Path, hours: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK)
    world.worker.kill()
    dead = now()
    world.worker.start(PYTHONPATH=str(tmp_path), CLOCK_SET_BY=str(hours * 3600)).await_ready()
    world.withdraw()
    world.watch.await_no_proof(max(dead, now() - int(LIMIT * SECOND)))
    if hours > 0:
        await_that("it is told", lambda: world.watch.gate.status().clock_behind > 3000, 10)
    world.worker.kill()
    world.worker.start()
    world.check()


# -- Kafka


def test_a_frozen_kafka(world: World) -> None:
    with broker_frozen(world):
        world.watch.await_no_proof(now())
    world.withdraw()
    world.check()


@contextmanager
def broker_frozen(world: World) -> Iterator[None]:
    """Somebody left at the last moment."""
    world.withdraw()
    jvm = world.broker._jvm
    assert jvm is not None
    jvm.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        jvm.send_signal(signal.SIGCONT)


def test_a_kafka_that_is_killed_and_comes_back(world: World) -> None:
    world.withdraw()
    world.broker.kill()
    world.watch.await_no_proof(now())
    world.broker.start()
    world.withdraw()
    world.check()
    assert world.worker.running


@pytest.mark.parametrize("topic", [SUPPRESSION["email"], EVENTS], ids=["the gate", "the worker"])
def test_a_consumer_that_is_alive_but_stuck_on_one_partition(world: World, topic: Topic) -> None:
    """Behind the open transaction of a client that hangs nobody reads on (KIP-664), though all others go on writing."""
    name, partition = topic.full(world.deployment.prefix), 3
    hanging = Producer(world.deployment.settings.producer(**{"transactional.id": f"hanging-{topic.name}"}))
    hanging.init_transactions(20)
    hanging.begin_transaction()
    hanging.produce(name, b"never committed", bytes(19), partition)
    assert hanging.flush(20) == 0
    stuck = now()
    world.withdraw()
    world.watch.await_no_proof(stuck)
    hanging.abort_transaction(20)
    world.check()


# -- the mailer's clock


def test_the_clock_of_a_mailer_is_set(world: World) -> None:
    clock = SetClock()
    with watched(world.deployment, clock) as watch:
        watch.await_yes(ANA)
        for step in (SECOND // 3, -SECOND // 3):  # as NTP corrects
            clock.set_by = step
            watch.await_yes(ANA)
        clock.set_by = 0
        for jump in (HOUR, -HOUR):
            clock.set_by = jump
            await_that("ages are worth nothing", lambda: "stale" in watch.ask(ANA).reasons, 10)
            world.withdraw()
            watch.await_no_proof(now() - int(LIMIT * SECOND) + SECOND)
            clock.set_by = 0
            watch.await_yes(ANA)
        world.check(watch)


def test_a_clock_that_is_set_back_does_not_keep_a_dead_worker_alive(world: World) -> None:
    clock = SetClock()
    with watched(world.deployment, clock) as watch:
        watch.await_yes(ANA)
        world.worker.kill()
        dead = now()
        clock.set_by = -HOUR
        world.withdraw()
        watch.await_no_proof(dead)
        world.worker.start().await_ready()
        clock.set_by = 0
        world.check(watch)
