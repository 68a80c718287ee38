"""The checks of the fault tests can fail: each is given a deployment that is broken in the way that it looks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from rocksdict import Options, Rdict

from benchmarks.oracle import WrongLists
from consent_stream.engine.partition import Meta
from consent_stream.topology.app import group_id
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.topics import EVENTS, LEDGER, STATE, SUPPRESSION, Topic
from tests.faults.answers import check_gate
from tests.faults.committed import META, check_committed, check_stores, committed, stores
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, await_that
from tests.faults.population import events

pytestmark = pytest.mark.kafka


def worked(deployment: Deployment) -> Deployment:
    """A deployment that has done some work and is right."""
    deployment.produce(events(200, 120, people=80, seed=3))
    worker = deployment.worker("w1").start().await_ready()
    deployment.await_settled()
    await_that("offsets are committed", lambda: _all_committed(deployment), 20)
    assert worker.stop() == 0
    return deployment


def _all_committed(deployment: Deployment) -> bool:
    ends = {p: end for p, end in deployment.ends(EVENTS).items() if end}
    return committed(deployment, EVENTS) == ends


def commit(deployment: Deployment, topic: Topic, partition: int, offset: int) -> None:
    """As a stage does that commits more than it has proven. The group is empty: its worker has ended."""
    consumer = Consumer(deployment.settings.consumer(**{"group.id": group_id(deployment.prefix, 0)}))
    place = TopicPartition(topic.full(deployment.prefix), partition, offset)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()


def write(deployment: Deployment, topic: Topic, records: Iterable[tuple[int, bytes | None, bytes | None]]) -> None:
    """Records (partition, key, value) behind everybody's back."""
    producer = Producer(deployment.settings.producer())
    for partition, key, value in records:
        producer.produce(topic.full(deployment.prefix), value, key, partition)
    assert producer.flush(20) == 0


def fails(check: Callable[[Deployment], int], deployment: Deployment) -> bool:
    with suppress(AssertionError, WrongLists):
        check(deployment)
        return False
    return True


def test_each_check_sees_what_it_looks_for(deployment: Deployment) -> None:
    worked(deployment)
    assert check_everything(deployment, sample=None) > 100
    assert check_committed(deployment) > 4
    assert check_stores(deployment) > 4

    # An event that nobody has taken in, and an offset behind it.
    ((partition, offset),) = deployment.produce([events(1, 0, seed=9)[0]], partition=0)
    assert check_committed(deployment) > 4
    commit(deployment, EVENTS, partition, offset + 1)
    assert fails(check_committed, deployment)
    commit(deployment, EVENTS, partition, offset)
    assert check_committed(deployment) > 4

    # A fact that nobody has folded: the last one of somebody, once more at the end of another's partition.
    facts = deployment.read(LEDGER)
    other = next(each for each in facts if each.partition != 0)
    write(deployment, LEDGER, [(0, (other.key or b"")[:-1] + b"\x99", other.value)])
    end = deployment.ends(LEDGER)[0]
    assert check_committed(deployment) > 4
    commit(deployment, LEDGER, 0, end)
    assert fails(check_committed, deployment)
    commit(deployment, LEDGER, 0, end - 1)

    # A store that says it has folded that fact.
    path = next(path for path, number in stores(deployment) if number == 0)
    assert check_stores(deployment) > 4
    store = Rdict(str(path), Options(raw_mode=True))
    meta = Meta.unpack(store[META])
    store[META] = Meta(
        meta.cluster, meta.topic, meta.changelog, meta.written_s, {t: (i, end) for t, (i, _) in meta.sources.items()}
    ).pack()
    store.close()
    assert fails(check_stores, deployment)


@pytest.mark.long
def test_what_a_list_or_the_state_lost_is_seen(deployment: Deployment) -> None:
    worked(deployment)
    for topic in SUPPRESSION.values():
        # Records without a value: a gate that cannot tell what was said denies, also where the rules allow.
        assert check_gate(deployment) > 100
        told = {(each.partition, each.key): each.value for each in deployment.read(topic) if each.key != HEARTBEAT_KEY}
        write(deployment, topic, [(partition, key, None) for partition, key in told])
        assert fails(check_gate, deployment)
        write(deployment, topic, [(partition, key, value) for (partition, key), value in told.items()])
    lost = deployment.read(STATE)[0]
    write(deployment, STATE, [(lost.partition, lost.key, None)])
    assert fails(check_everything, deployment)
    assert fails(check_committed, deployment)
