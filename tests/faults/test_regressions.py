"""Somebody who is no worker writes an older record over a newer one: no gate obeys it, the owner repairs the list."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consent_stream import Gate
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.topics import SUPPRESSION
from tests.faults.answers import check_gate
from tests.faults.deployment import KEYS, Deployment, Found, Worker, await_that
from tests.kafka.test_freshness_faults import event

pytestmark = pytest.mark.kafka
EMAIL = SUPPRESSION["email"]
TENANT, SCOPE = "t1", "news"
LEFT = [f"left{n}@example.com" for n in range(3)]


def history(deployment: Deployment) -> dict[bytes, list[Found]]:
    """The records of each key on the list for mail, in order."""
    found: dict[bytes, list[Found]] = {}
    for each in deployment.read(EMAIL):
        if each.key is not None and each.key != HEARTBEAT_KEY:
            found.setdefault(each.key, []).append(each)
    return found


def last_versions(deployment: Deployment) -> dict[bytes, int]:
    return {key: decode_entry(each[-1].value or b"").version for key, each in history(deployment).items()}


def overwrite(deployment: Deployment, older: list[Found]) -> None:
    """As an unfenced writer would that was away for a while."""
    producer = Producer(deployment.settings.producer())
    for each in older:
        producer.produce(EMAIL.full(deployment.prefix), each.value, each.key, each.partition)
    assert producer.flush(20) == 0


def withdrawn(deployment: Deployment) -> tuple[Worker, dict[bytes, int], list[Found]]:
    """Everybody agreed and left again: (worker, the versions that hold, the records of before, which allow)."""
    worker = deployment.worker("w1").start().await_ready()
    deployment.produce(event("consent.granted", f"g-{each}", each) for each in LEFT)
    deployment.await_settled()
    deployment.produce(event("unsubscribe.oneclick", f"w-{each}", each) for each in LEFT)
    deployment.await_settled()
    right = last_versions(deployment)
    before = [records[0] for records in history(deployment).values()]
    assert all(decode_entry(each.value or b"").version < right[each.key or b""] for each in before)
    return worker, right, before


def allowed(deployment: Deployment) -> list[str]:
    """Who of those who left a gate that starts now would have mailed."""
    with Gate(deployment.settings, keys=KEYS, channel="email", staleness_limit=86_400.0, report=False) as gate:
        await_that("the gate is ready", lambda: gate.status().ready, 30)
        return [each for each in LEFT if gate.check(tenant=TENANT, email=each, scope=SCOPE)]


def compact(deployment: Deployment) -> None:
    """Until the list holds one record a key."""
    admin = AdminClient(deployment.settings.librdkafka())
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, EMAIL.full(deployment.prefix), incremental_configs=entries)
    (changed,) = admin.incremental_alter_configs([resource]).values()
    changed.result(10)

    def one_each() -> bool:
        # The last segment is never compacted; heartbeats begin a new one where a worker is at work, this where none is.
        beat = [each for each in deployment.read(EMAIL) if each.key == HEARTBEAT_KEY]
        overwrite(deployment, list({each.partition: each for each in beat}.values()))
        return all(len(records) == 1 for records in history(deployment).values())

    await_that("the list is compacted", one_each, 60)


def test_an_older_record_is_obeyed_by_no_gate_and_repaired_by_the_owner(deployment: Deployment) -> None:
    worker, right, before = withdrawn(deployment)
    with Gate(deployment.settings, keys=KEYS, channel="email", report=False) as gate:
        await_that("the gate is ready", lambda: gate.status().ready, 30)
        overwrite(deployment, before)
        await_that("the owner wrote its own again", lambda: last_versions(deployment) == right, 40)
        assert not any(gate.check(tenant=TENANT, email=each, scope=SCOPE) for each in LEFT)
    assert "older records stood over newer ones" in worker.log
    assert not any(each in worker.log for each in LEFT)
    # A null is worse than any older record, for compaction takes the key away with it.
    overwrite(deployment, [each._replace(value=None) for each in before])
    await_that("and again", lambda: _all_there(deployment, right), 40)
    compact(deployment)
    assert worker.stop() == 0
    assert allowed(deployment) == []
    assert check_gate(deployment) >= len(LEFT)


def test_what_was_overwritten_while_no_worker_ran_is_repaired_by_the_next(deployment: Deployment) -> None:
    worker, right, before = withdrawn(deployment)
    await_that("it is known how far the list was read back", lambda: _guarded(deployment), 40)
    assert worker.stop() == 0
    overwrite(deployment, before)
    compact(deployment)
    # Nothing on the list tells of the withdrawals any more. (So it must not be left like this: a cold gate would mail.)
    assert allowed(deployment) == LEFT
    worker.start().await_ready()
    await_that("the owner wrote its own again", lambda: last_versions(deployment) == right, 40)
    assert allowed(deployment) == []
    assert worker.stop() == 0
    assert check_gate(deployment) >= len(LEFT)


def _all_there(deployment: Deployment, right: dict[bytes, int]) -> bool:
    last = {key: each[-1].value for key, each in history(deployment).items()}
    return all(value and decode_entry(value).version == right[key] for key, value in last.items())


def _guarded(deployment: Deployment) -> bool:
    """Whether all that the list holds has been read back, so that the next owner goes on from there."""
    consumer = Consumer(deployment.settings.consumer(**{"group.id": f"{deployment.prefix}consent-stream.guard"}))
    try:
        name = EMAIL.full(deployment.prefix)
        last = {each[-1].partition: each[-1].offset for each in history(deployment).values()}
        at = consumer.committed([TopicPartition(name, q) for q in last], 20)
        return all(each.offset > last[each.partition] for each in at)
    finally:
        consumer.close()
