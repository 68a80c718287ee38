"""A worker that must not start says why in one line, and one that cannot start yet says so and waits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consent_stream.cli import main
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.ports import free_ports
from consent_stream.topics import TopicAdmin
from consent_stream.wire.topics import LEDGER, STATE, SUPPRESSION, TOPICS
from tests.faults.deployment import Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY


@pytest.fixture
def nowhere(tmp_path: Path) -> Deployment:
    """Settings that are right, and no broker behind them."""
    (port,) = free_ports(1)
    return Deployment(f"127.0.0.1:{port}", tmp_path, "", POLICY)


def refusal(worker: Worker, code: int, seconds: float = 20) -> str:
    """The only line a refused worker says, once it ended with `code`."""
    assert worker.wait(seconds) == code, worker.log
    (line,) = worker.log.splitlines()
    assert worker.readies == 0
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"CONSENT_BOOTSTRAP": "kafka.example.com:9092"}, ["--security-protocol", "--insecure"]),
        ({"CONSENT_BOOTSTRAP": "127.0.0.1:9092,192.0.2.7:9092"}, ["--security-protocol", "--insecure"]),
        ({"CONSENT_BOOTSTRAP": "nonsense"}, ["--bootstrap", "HOST:PORT"]),
        ({"CONSENT_KEYS": ""}, ["--keys", "consent-stream keys new"]),
        ({"CONSENT_KEYS": "{folder}/no-such-file"}, ["no-such-file"]),
        ({"CONSENT_KEYS": "{folder}/policy.toml"}, ["policy.toml"]),
        ({"CONSENT_POLICY": "{folder}/no-such-file"}, ["--policy", "no-such-file"]),
        ({"CONSENT_POLICY": "{folder}/keys.toml"}, ["--policy", "keys.toml"]),
        ({"CONSENT_POLICY": "{folder}/broken.toml"}, ["--policy", "broken.toml"]),
        ({"CONSENT_POLICY": "{folder}/unsound.toml"}, ["--policy", "min_evidence"]),
        ({"CONSENT_DATA_DIR": "{folder}/keys.toml"}, ["--data-dir", "keys.toml", "no directory"]),
        ({"CONSENT_DATA_DIR": "{folder}/keys.toml/below"}, ["--data-dir", "keys.toml/below"]),
        ({"CONSENT_DATA_DIR": "/proc"}, ["--data-dir", "/proc"]),
        ({"CONSENT_DATA_DIR": "/proc/no-such"}, ["--data-dir", "/proc/no-such"]),
        ({"CONSENT_DATA_DIR": "{folder}/{long}"}, ["--data-dir"]),
        ({"CONSENT_WORKER_ID": "w 1"}, ["--worker-id"]),
        ({"CONSENT_SASL_PASSWORD": "secret-word"}, ["--sasl-password"]),
    ],
)
def test_a_bad_setting_is_exit_2_and_one_line(nowhere: Deployment, over: dict[str, str], named: list[str]) -> None:
    (nowhere.folder / "broken.toml").write_text("[tenants.acme\n")
    (nowhere.folder / "unsound.toml").write_text('[tenants.acme]\nmin_evidence = "E9"\n')
    wrong = {name: value.format(folder=nowhere.folder, long="x" * 300) for name, value in over.items()}
    refused = CliRunner().invoke(main, ["worker"], env={**nowhere.environment(), **wrong})
    assert refused.exit_code == 2, refused.output
    (line,) = refused.stderr.splitlines()
    assert all(word in line for word in named), line
    assert "secret-word" not in line


def test_a_key_file_that_everyone_may_read_is_refused(nowhere: Deployment) -> None:
    (nowhere.folder / "keys.toml").chmod(0o644)
    assert "keys.toml" in refusal(nowhere.worker("w1").start(), 2)


@pytest.mark.kafka
def test_a_worker_waits_for_kafka_and_goes_to_work_when_it_comes(kafka: str, tmp_path: Path, prefix: str) -> None:
    broker = LocalKafka(data=tmp_path / "kafka")
    with broker, deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        broker.stop()
        worker = deployment.worker("w1").start()
        await_that("it says that it tries again", lambda: "trying again" in worker.log, 40)
        assert all(broker.bootstrap in line and "trying again" in line for line in worker.log.splitlines())
        broker.start()
        worker.await_ready(40)
        deployment.await_settled(30)
        assert worker.stop() == 0


@pytest.mark.kafka
def test_a_waiting_worker_ends_at_once_on_sigterm(nowhere: Deployment) -> None:
    worker = nowhere.worker("w1").start()
    await_that("it waits", lambda: "trying again" in worker.log, 40)
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 15


def alter(deployment: Deployment, topic: str, name: str, value: str) -> None:
    admin = AdminClient(deployment.settings.librdkafka())
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    (future,) = admin.incremental_alter_configs([resource]).values()
    future.result(10)

    def known() -> bool:  # the controller's yes comes before the broker's own copy of the settings changes
        (asked,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        return bool(asked.result(10)[name].value == value)

    await_that(f"{name} of {topic} is {value}", known, 10)


@pytest.mark.kafka
@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_list_whose_nos_could_expire_is_refused(deployment: Deployment, policy: str) -> None:
    topic = SUPPRESSION["sms"].full(deployment.prefix)
    alter(deployment, topic, "cleanup.policy", policy)
    line = refusal(deployment.worker("w1").start(), 1)
    assert topic in line
    assert "cleanup.policy" in line
    assert "could expire" in line


@pytest.mark.kafka
def test_events_with_their_senders_clock_are_refused(deployment: Deployment) -> None:
    alter(deployment, f"{deployment.prefix}consent.events", "message.timestamp.type", "CreateTime")
    assert "message.timestamp.type" in refusal(deployment.worker("w1").start(), 1)


@pytest.mark.kafka
def test_missing_topics_and_wrong_partition_counts_are_refused(kafka: str, tmp_path: Path, prefix: str) -> None:
    deployment = Deployment(kafka, tmp_path, prefix, POLICY)
    assert "topics apply" in refusal(deployment.worker("w1").start(), 1)
    deployment.make_topics({STATE: 3})
    line = refusal(deployment.worker("w2").start(), 1)
    assert STATE.full(prefix) in line
    assert LEDGER.full(prefix) in line


@pytest.mark.kafka
def test_a_list_made_anew_beside_the_old_state_is_not_worked_on(kafka: str, tmp_path: Path, prefix: str) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        assert deployment.worker("first").start().await_ready().stop() == 0
        admin = AdminClient({"bootstrap.servers": kafka})
        email = SUPPRESSION["email"].full(prefix)

        def make_anew(name: str) -> None:
            admin.delete_topics([name])[name].result(30)
            await_that(f"{name} gone", lambda: name not in admin.list_topics(timeout=10).topics, 20)
            TopicAdmin(deployment.settings).create({t: t.partitions for t in TOPICS if t.full(prefix) == name}, 1)
            await_that(f"{name} led", lambda: _led(admin, name), 20)

        make_anew(email)
        line = refusal(deployment.worker("second").start(), 1)
        assert email in line
        assert "would stay empty" in line
        make_anew(STATE.full(prefix))  # as it is told to
        assert deployment.worker("third").start().await_ready().stop() == 0


@pytest.mark.kafka
def test_another_key_file_is_not_worked_with(deployment: Deployment) -> None:
    assert deployment.worker("first").start().await_ready().stop() == 0
    keys = deployment.folder / "keys.toml"
    keys.write_text(keys.read_text().replace("00" * 32, "11" * 32))
    line = refusal(deployment.worker("second").start(), 2)
    assert "--keys" in line
    assert "written with" in line


def _led(admin: AdminClient, name: str) -> bool:
    topic = admin.list_topics(timeout=10).topics.get(name)
    return topic is not None and bool(topic.partitions) and all(p.leader >= 0 for p in topic.partitions.values())
