"""`consent-stream topics` on a real Kafka: made, put right, left alone, refused."""

import json
import time

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from consent_stream.cli import main
from consent_stream.settings import Settings
from consent_stream.topics import TopicsRefused, check_topics
from consent_stream.wire.topics import TOPICS

pytestmark = pytest.mark.kafka


@pytest.fixture
def topics(kafka, prefix):
    """`topics("apply", …)`: run the command on this test's topics; (exit code, what it printed as JSON)."""

    def run(verb, *more):
        place = ["--bootstrap", kafka, "--topic-prefix", prefix]
        result = CliRunner().invoke(main, ["topics", verb, "--json", *place, *more])
        assert result.stdout, result.stderr
        return result.exit_code, json.loads(result.stdout)

    return run


def test_apply_makes_them_all_and_diff_then_finds_nothing(topics, kafka, prefix):
    assert topics("diff")[0] == 1
    code, told = topics("apply", "--partitions", "3")
    assert code == 0
    assert told["done"] == {each.full(prefix): "created" for each in TOPICS}
    assert topics("diff") == (0, {"embedded": False, "differences": []})
    assert topics("apply")[1]["done"] == {}
    live = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert len(live[f"{prefix}consent.ledger"].partitions) == 3
    assert len(live[f"{prefix}consent.progress"].partitions) == 1


def test_events_get_the_brokers_append_time(topics, kafka, prefix):
    topics("apply", "--partitions", "1")
    times = []
    producer = Producer({"bootstrap.servers": kafka})
    report = lambda error, message: times.append(message.timestamp())  # noqa: E731
    producer.produce(f"{prefix}consent.events", b"{}", timestamp=1_000, on_delivery=report)
    producer.flush(10)
    assert times[0][1] > 1_600_000_000_000


def test_a_topic_whose_nos_expire_is_fatal_until_apply_puts_it_right(topics, kafka, prefix):
    topics("apply", "--partitions", "2")
    settings = Settings(bootstrap=kafka, topic_prefix=prefix)
    check_topics(settings)
    _alter(kafka, f"{prefix}suppression.email", "cleanup.policy", "compact,delete")
    code, told = topics("diff")
    assert (code, [each["fatal"] for each in told["differences"]]) == (1, [True])
    with pytest.raises(TopicsRefused, match=r"suppression\.email: cleanup\.policy .* could expire"):
        check_topics(settings)
    assert topics("apply")[1]["done"] == {f"{prefix}suppression.email": "altered cleanup.policy"}
    check_topics(settings)


def test_settings_of_the_operators_own_stay(topics, kafka, prefix):
    topics("apply", "--partitions", "1")
    _alter(kafka, f"{prefix}consent.changes", "compression.type", "zstd")
    _alter(kafka, f"{prefix}consent.changes", "retention.ms", "1000")
    assert topics("apply")[1]["done"] == {f"{prefix}consent.changes": "altered retention.ms"}
    admin = AdminClient({"bootstrap.servers": kafka})
    assert _described(admin, f"{prefix}consent.changes", "compression.type") == "zstd"


def test_partition_counts_are_reported_and_never_altered(topics, kafka, prefix):
    admin = AdminClient({"bootstrap.servers": kafka})
    (future,) = admin.create_topics([NewTopic(f"{prefix}consent.state", 5, 1)]).values()
    future.result()
    code, told = topics("apply", "--partitions", "2")
    assert code == 1
    assert [(each["topic"], each["setting"], each["found"]) for each in told["left"]] == [
        (f"{prefix}consent.state", "partitions", "5")
    ]
    assert len(admin.list_topics(timeout=10).topics[f"{prefix}consent.state"].partitions) == 5


def test_new_topics_follow_the_ledger_that_is_there(topics, kafka, prefix):
    admin = AdminClient({"bootstrap.servers": kafka})
    (future,) = admin.create_topics([NewTopic(f"{prefix}consent.ledger", 3, 1)]).values()
    future.result()
    assert topics("apply")[0] == 0
    assert len(admin.list_topics(timeout=10).topics[f"{prefix}suppression.sms"].partitions) == 3


def test_more_copies_than_brokers_is_one_line(kafka, prefix):
    arguments = ["topics", "apply", "--bootstrap", kafka, "--topic-prefix", prefix, "--replication-factor", "3"]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert "Kafka refused" in refused.stderr


def _alter(bootstrap, topic, setting, value):
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (future,) = admin.incremental_alter_configs([resource]).values()
    future.result()
    # The controller's yes comes before the broker's own copy of the settings changes.
    deadline = time.monotonic() + 10
    while _described(admin, topic, setting) != value:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _described(admin, topic, setting):
    (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return future.result()[setting].value
