"""Topics are made anew under a running worker: it ends within seconds, and what the new ones hold is read from the
beginning."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.policyfile import load_policy
from consent_stream.topics import TopicAdmin
from consent_stream.topology.app import group_id
from consent_stream.topology.intake import take_in
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.topics import EVENTS, LEDGER, STATE, SUPPRESSION, TOPICS, Topic
from tests.faults.comparison import check_everything
from tests.faults.deployment import KEYS, Deployment, await_that
from tests.faults.population import events

pytestmark = pytest.mark.kafka
NOTICED = 60  # seconds on a loaded machine; it looks every five


def make_anew(deployment: Deployment, topic: Topic) -> None:
    """Delete and make again, as somebody does who believes that nobody works on it."""
    admin, name = AdminClient(deployment.settings.librdkafka()), topic.full(deployment.prefix)
    admin.delete_topics([name])[name].result(30)
    await_that(f"{name} gone", lambda: name not in admin.list_topics(timeout=10).topics, 20)
    TopicAdmin(deployment.settings).create({t: t.partitions for t in TOPICS if t == topic}, 1)


def await_session_ended(deployment: Deployment) -> None:
    """Sooner, a worker with an id gets back what was assigned while the topic was away: nothing of it."""
    admin, group = AdminClient(deployment.settings.librdkafka()), group_id(deployment.prefix, 0)

    def nobody() -> bool:
        return not admin.describe_consumer_groups([group])[group].result(10).members

    await_that("the session ended", nobody, 40)


@pytest.mark.parametrize("topic", [LEDGER, SUPPRESSION["email"]], ids=["ledger", "list"])
def test_a_worker_ends_when_what_it_works_on_was_made_anew(deployment: Deployment, topic: Topic) -> None:
    worker = deployment.worker("w1").start().await_ready()
    make_anew(deployment, topic)
    assert worker.wait(NOTICED) == 70
    last = worker.log.splitlines()[-1]
    assert last.startswith("FAIL-STOP: ")
    worker.start()
    assert worker.wait(NOTICED) == 1, "and its next start refuses what does not belong together"
    assert topic.full(deployment.prefix) in worker.log.splitlines()[-1]


def test_a_state_made_anew_under_a_worker_is_folded_again(deployment: Deployment) -> None:
    worker = deployment.worker("w1").start().await_ready()
    deployment.produce(events(300, 60, people=200))
    deployment.await_settled()
    make_anew(deployment, STATE)
    assert worker.wait(NOTICED) == 70
    assert "was made anew while this process worked on it" in worker.log.splitlines()[-1]
    deployment.produce(events(100, 20, people=200, seed=2))
    worker.start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    # The lists get the same records under the same versions once more, so they are not in order: as without a fence.
    assert check_everything(deployment, fenced=False) > 100


def test_events_made_anew_under_a_worker_are_read_from_their_beginning(deployment: Deployment) -> None:
    worker = deployment.worker("w1").start().await_ready()
    deployment.produce(events(50, 10, people=50))
    deployment.await_settled()
    make_anew(deployment, EVENTS)
    deployment.produce(events(600, 60, people=200, seed=2))  # more than there were: its old offset means something here
    assert worker.wait(NOTICED) == 70
    await_session_ended(deployment)
    worker.start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    policy, _ = load_policy(deployment.settings.policy)
    wanted = {
        (fact.key, encode_fact(fact))
        for each in deployment.read(EVENTS)
        for fact in take_in(
            each.value or b"", each.timestamp * 1000, (each.partition, each.offset), policy, KEYS.subject
        ).facts
    }
    assert len(wanted) > 300
    assert wanted <= {(each.key, each.value) for each in deployment.read(LEDGER)}


def test_an_offset_committed_for_a_topic_that_is_gone_skips_nothing(deployment: Deployment) -> None:
    """As a worker leaves it that commits once more after the topic was made anew and before it ended."""
    deployment.produce(events(300, 60, people=200))
    mine = Consumer(deployment.settings.consumer(**{"group.id": group_id(deployment.prefix, 0)}))
    name = EVENTS.full(deployment.prefix)
    ends = [TopicPartition(name, p, end, metadata="gone") for p, end in deployment.ends(EVENTS).items()]
    mine.commit(offsets=ends, asynchronous=False)
    mine.close()
    worker = deployment.worker("w1").start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    assert check_everything(deployment) > 100
