"""An export and what only a real Kafka has: instants, retention, transactions, topics that are made anew."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.domain.standing import BLANK
from consent_stream.settings import Settings
from consent_stream.wire.change import encode_change
from consent_stream.wire.topics import CHANGES, CONTROL
from tests.analytics.test_export import produce, run, same
from tests.wire.samples import KEY, PARTIAL, UNSUBSCRIBE

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka: str, prefix: str, make_topics) -> Settings:
    make_topics(kafka, {topic.full(prefix): {} for topic in (CHANGES, CONTROL)})
    return Settings(bootstrap=kafka, topic_prefix=prefix)


def refused(settings: Settings, folder: Path) -> str:
    """The one line with which it ends; nothing was written."""
    before = sorted(folder.rglob("*"))
    ran = run(settings, folder)
    assert (ran.exit_code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert sorted(folder.rglob("*")) == before
    return str(ran.stderr)


def delete_before(settings: Settings, partition: int, offset: int) -> None:
    """What retention does."""
    at = TopicPartition(CHANGES.full(settings.topic_prefix), partition, offset)
    admin = AdminClient(settings.librdkafka())
    for future in admin.delete_records([at]).values():
        future.result(10)


def test_a_window_by_the_clock_of_kafka(settings, tmp_path):
    produce(settings, 0, 20)
    time.sleep(0.05)
    until = time.time()
    time.sleep(0.05)
    produce(settings, 20, 20)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(until)) + f".{int(until % 1 * 1e6):06d}Z"
    assert "20 rows more" in run(settings, tmp_path / "before", "--until", text).stderr
    assert "20 rows more, 40 in all" in run(settings, tmp_path / "before").stderr
    same(tmp_path / "before", settings)
    assert "20 rows more" in run(settings, tmp_path / "after", "--since", text).stderr
    assert "0 rows more" in run(settings, tmp_path / "after", "--since", text).stderr
    refused = run(settings, tmp_path / "after", "--since", "2026-01-01T00:00:00Z")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "--since" in refused.stderr


def test_records_that_are_gone_before_they_were_read_are_named(settings, tmp_path):
    produce(settings, 0, 40)
    assert run(settings, tmp_path / "lake").exit_code == 0
    produce(settings, 40, 40)
    delete_before(settings, 2, 13)
    assert "offsets 10 to 12 of partition 2 are missing" in refused(settings, tmp_path / "lake")
    ran = run(settings, tmp_path / "another")  # one that begins begins with what there is
    assert "67 rows more" in ran.stderr


def test_records_that_were_read_may_go(settings, tmp_path):
    produce(settings, 0, 40)
    assert run(settings, tmp_path / "lake").exit_code == 0
    delete_before(settings, 2, 10)
    produce(settings, 40, 40)
    assert "40 rows more, 80 in all" in run(settings, tmp_path / "lake").stderr


def test_markers_of_transactions_are_no_gap_when_they_go(settings, tmp_path):
    """They take offsets and are no records; whoever counted records alone would miss them."""
    over = {"transactional.id": f"{settings.topic_prefix}x", "log_level": 2}
    producer, name = Producer(settings.producer(**over)), CHANGES.full(settings.topic_prefix)
    producer.init_transactions(20)
    commit, abort = producer.commit_transaction, producer.abort_transaction
    for number, end in enumerate((commit, abort, commit)):
        producer.begin_transaction()
        producer.produce(name, encode_change("email", BLANK, PARTIAL, UNSUBSCRIBE, number), KEY, partition=0)
        producer.flush(20)
        end(20)
    assert "2 rows more" in run(settings, tmp_path / "lake").stderr
    same(tmp_path / "lake", settings)
    delete_before(settings, 0, 6)
    assert "0 rows more, 2 in all" in run(settings, tmp_path / "lake").stderr


def test_a_topic_that_was_made_anew_is_refused(settings, make_topics, tmp_path):
    produce(settings, 0, 40)
    assert run(settings, tmp_path / "lake").exit_code == 0
    name = CHANGES.full(settings.topic_prefix)
    admin = AdminClient(settings.librdkafka())
    admin.delete_topics([name], operation_timeout=10)[name].result(10)
    time.sleep(0.2)
    make_topics(settings.bootstrap, {name: {}})
    produce(settings, 0, 80)  # its log reaches as far as the old one did
    assert "was made anew" in refused(settings, tmp_path / "lake")


def test_another_topic_of_the_same_kind_is_refused(settings, prefix, make_topics, tmp_path):
    assert run(settings, tmp_path / "lake").exit_code == 0
    other = Settings(bootstrap=settings.bootstrap, topic_prefix=f"other-{prefix}")
    make_topics(settings.bootstrap, {topic.full(other.topic_prefix): {} for topic in (CHANGES, CONTROL)})
    assert "the directory holds" in refused(other, tmp_path / "lake")
