"""A worker, a real Kafka and a real schema registry: the changes are read by Confluent's own reader, and by ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from urllib.request import urlopen

import orjson
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer

from consent_stream.dev.jars import java, kafka_jars
from consent_stream.wire.change import decode_change
from consent_stream.wire.schemas import CONSENT_CHANGE, schema_json
from consent_stream.wire.topics import CHANGES
from tests.analytics.apicurio import CONFLUENT, apicurio, reader_jars
from tests.analytics.records import held
from tests.analytics.test_export import run
from tests.faults.deployment import Deployment, deployed
from tests.faults.population import POLICY
from tests.kafka.test_late_sends import granted, withdrawn

pytestmark = [pytest.mark.kafka, pytest.mark.long]  # the registry alone takes half a minute to come up, and 160 MB


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with apicurio(tmp_path_factory.mktemp("apicurio")) as url:
        yield url


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("framed"), "framed-", POLICY) as found:
        yield found


def feed(deployment: Deployment, *names: str) -> None:
    deployment.produce([granted(name) for name in names])
    deployment.produce([withdrawn(name, number) for number, name in enumerate(names)])
    deployment.await_settled()


def test_changes_in_a_registrys_framing_are_read_by_its_reader_and_by_ours(
    registry: str, deployment: Deployment, tmp_path: Path
) -> None:
    worker = deployment.worker("w1", "--registry-url", registry).start().await_ready()
    feed(deployment, "ana", "ben", "cleo")
    assert worker.stop() == 0
    topic, records = CHANGES.full(deployment.prefix), deployment.read(CHANGES)
    assert records
    ids = {(each.value or b"")[:5] for each in records}
    (header,) = ids
    assert header[0] == 0
    with urlopen(f"{registry}/subjects/{topic}-value/versions/latest", timeout=10) as answer:
        said = orjson.loads(answer.read())
    assert (orjson.loads(said["schema"]), said["id"]) == (
        schema_json("consent_change"),
        int.from_bytes(header[1:], "big"),
    )
    read = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    for each in records:
        theirs, ours = read(each.value, None), decode_change(each.value or b"")
        assert theirs["received"].astimezone(UTC).timestamp() == ours.received / 1e6
        assert theirs["after"] == {**ours.after._asdict(), "reasons": list(ours.after.reasons),
                                   "blocked_scopes": list(ours.after.blocked_scopes)}  # fmt: skip
        assert {name: theirs[name] for name in ("tenant", "channel", "version", "id", "source", "type", "derived")} == {
            name: getattr(ours, name) for name in ("tenant", "channel", "version", "id", "source", "type", "derived")
        }


def test_kafkas_console_consumer_shows_them(registry: str, deployment: Deployment) -> None:
    """With the registry's own reader in it; no schema of ours is given to it."""
    records = deployment.read(CHANGES)
    jars = [f"{each}/*" for each in (kafka_jars("tools"), reader_jars())]
    reads = {
        "value.deserializer": "io.apicurio.registry.serde.avro.AvroKafkaDeserializer",
        "value.deserializer.apicurio.registry.url": registry.replace(CONFLUENT, "apis/registry/v2"),
        "value.deserializer.apicurio.registry.id-handler": "io.apicurio.registry.serde.Legacy4ByteIdHandler",
        "value.deserializer.apicurio.registry.use-id": "contentId",
    }
    command = [java(), "-Xmx128m", "-cp", ":".join(jars), "org.apache.kafka.tools.consumer.ConsoleConsumer"]
    command += ["--bootstrap-server", deployment.settings.bootstrap, "--topic", CHANGES.full(deployment.prefix)]
    command += ["--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", "20000"]
    command += ["--max-messages", str(len(records))]
    command += [word for name, value in reads.items() for word in ("--formatter-property", f"{name}={value}")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    shown = [orjson.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    told = [decode_change(each.value or b"") for each in records]
    assert sorted((each["id"], each["channel"], each["after"]["status"]) for each in shown) == sorted(
        (each.id, each.channel, each.after.status) for each in told
    ), ran.stderr[-3000:]


def test_a_topic_may_hold_both_framings(registry: str, deployment: Deployment, tmp_path: Path) -> None:
    """A worker goes on in the framing of before, and another one, told of no registry, in ours; `export` reads both."""
    before = len(deployment.read(CHANGES))
    worker = deployment.worker("w1", "--registry-url", registry).start().await_ready()
    feed(deployment, "dora")
    assert worker.stop() == 0
    plain = deployment.worker("w1").start().await_ready()
    feed(deployment, "emma")
    assert plain.stop() == 0
    records = deployment.read(CHANGES)
    headers = [(each.value or b"")[:10] for each in records]
    assert CONSENT_CHANGE in headers
    assert sum(header[0] == 0 for header in headers) > before
    ran = run(deployment.settings, tmp_path / "lake")
    assert ran.exit_code == 0, ran.stderr
    rows = held(tmp_path / "lake")
    assert [(row["partition"], row["offset"]) for row in rows] == [(each.partition, each.offset) for each in records]
    assert {"no-ana", "no-dora", "no-emma"} <= {row["event_id"] for row in rows}
