"""Kafka compacts as hard as it can while workers die: what is left, with holes in its offsets, says everything."""

from __future__ import annotations

import os
import shutil
import time
from random import Random

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consent_stream.wire.topics import STATE, SUPPRESSION, Topic
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, await_that
from tests.faults.disks import check_rows
from tests.faults.population import events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SEED = int(os.environ.get("FAULT_SEED", "1"))
COMPACTED = (STATE, *SUPPRESSION.values())
HARD = {"segment.ms": "200", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1"}


def compact_hard(deployment: Deployment) -> None:
    """From now on, each 200 ms of a topic are a segment, and each is compacted at once."""
    admin = AdminClient(deployment.settings.librdkafka())
    entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in HARD.items()]
    names = [topic.full(deployment.prefix) for topic in COMPACTED]
    asked = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=list(entries)) for name in names]
    for changed in admin.incremental_alter_configs(asked).values():
        changed.result(10)


def kept(deployment: Deployment, topic: Topic) -> tuple[int, int]:
    """(records that are there, offsets that were given). Markers of transactions are offsets too, and no records."""
    return len(deployment.read(topic)), sum(deployment.ends(topic).values())


def keys(deployment: Deployment, topic: Topic) -> int:
    return len({(each.partition, each.key) for each in deployment.read(topic)})


def under_load(deployment: Deployment, people_events: int, seconds: float, kills: int, sample: int | None) -> int:
    compact_hard(deployment)
    random, worker = Random(SEED), deployment.worker("w1")
    arriving = events(people_events, people_events // 10, people=300, seed=SEED + 20)
    with deployment.feeding(arriving, seconds=seconds, seed=SEED):
        for _ in range(kills):
            worker.start().await_ready()
            time.sleep(random.uniform(0.5, 2))  # the random point is the test, nothing is waited for
            worker.kill()
        worker.start().await_ready()
    deployment.await_settled()
    # Heartbeats go on and begin new segments; of the state nothing new comes, and its last segment stays as it is.
    await_that("the lists are compacted", lambda: _one_each(deployment), 60)
    assert worker.stop() == 0
    records, offsets = kept(deployment, STATE)
    assert records < offsets * 0.8, "nothing of the state was compacted: the test tests nothing"
    compared = check_everything(deployment, sample=sample)
    shutil.rmtree(worker.data_dir)
    deployment.produce(events(300, 30, people=300, seed=SEED + 21))
    worker.start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    assert check_rows(deployment) > 0
    assert check_everything(deployment, sample=sample) >= compared
    return compared


def _one_each(deployment: Deployment) -> bool:
    """But for the heartbeats since the last segment began."""
    for topic in SUPPRESSION.values():
        records, there = len(deployment.read(topic)), keys(deployment, topic)
        partitions = len(deployment.ends(topic))
        if records > there + partitions * 60:
            return False
    return True


@pytest.mark.long
def test_compaction_under_load_and_kills_takes_nothing_that_counts(deployment: Deployment) -> None:
    assert under_load(deployment, 2_500, seconds=6, kills=2, sample=100) > 200


@pytest.mark.long
def test_compaction_for_a_minute_with_a_dozen_kills(deployment: Deployment) -> None:
    assert under_load(deployment, 20_000, seconds=60, kills=12, sample=None) > 500
