"""Brokers for the tests: a real Kafka and an embedded one a session, started as `consent-stream dev` starts them."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from consent_stream.dev.errors import DevError, ToolMissing
from consent_stream.dev.jars import java, kafka_jars
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.leash import leashed

MakeTopics = Callable[..., None]
MOCK = "mockCluster"  # librdkafka's mock cluster names itself so
NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError._NOENT,  # librdkafka's own "no leaders found"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked `long` too: they take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_report_header() -> str:
    try:
        java()
    except ToolMissing as missing:
        return f"real Kafka: {'FAILING' if os.environ.get('CI') else 'skipping'} its tests: {missing}"
    return "real Kafka: yes"


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap of a real Kafka. Without java or Maven its tests are skipped; with CI set they fail."""
    try:
        java(), kafka_jars()
    except (ToolMissing, DevError) as missing:
        # Only what a laptop may lack is a reason to skip. A broker that does not start is a failure everywhere.
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with LocalKafka() as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """Bootstrap of an embedded broker in a process of its own."""
    command = leashed([sys.executable, "-m", "consent_stream", "dev", "broker"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as broker:
        assert broker.stdout is not None
        ready, _, bootstrap = broker.stdout.readline().strip().partition(" ")
        assert ready == "ready", f"no `ready HOST:PORT`: {broker.stderr.read() if broker.stderr else ''}"
        yield bootstrap
        broker.terminate()
        assert broker.wait(10) == 0


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture(scope="session")
def make_topics() -> MakeTopics:
    """`make_topics(bootstrap, {name: config}, partitions=4)`: topics that are there when the call returns.

    On the embedded broker a topic appears when it is asked for, has 4 partitions, and takes no settings.
    """
    return _make_topics


def _make_topics(bootstrap: str, topics: Mapping[str, Mapping[str, str]], partitions: int = 4) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if admin.list_topics(timeout=10).cluster_id.startswith(MOCK):
        assert partitions == 4, "the embedded broker makes 4 partitions a topic"
        for name in topics:
            admin.list_topics(name, timeout=10)
        return
    new = [NewTopic(name, partitions, 1, config=dict(config)) for name, config in topics.items()]
    for future in admin.create_topics(new, operation_timeout=10).values():
        future.result()
    _await_leaders(bootstrap, [TopicPartition(name, each) for name in topics for each in range(partitions)])


def _await_leaders(bootstrap: str, partitions: list[TopicPartition]) -> None:
    """The controller's yes to a new topic comes before the broker leads its partitions."""
    deadline = time.monotonic() + 10
    while True:
        admin = AdminClient({"bootstrap.servers": bootstrap})  # anew: it remembers "no leader" for many seconds
        offsets = admin.list_offsets({each: OffsetSpec.latest() for each in partitions}, request_timeout=10)
        try:
            for future in offsets.values():
                future.result()
            return
        except KafkaException as error:
            if time.monotonic() > deadline or error.args[0].code() not in NO_LEADER_YET:
                raise
            time.sleep(0.05)
