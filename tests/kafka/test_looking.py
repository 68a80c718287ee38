"""`tail`, `inspect` and `stats` on a real Kafka with a real worker; and what they do when Kafka goes away."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.leash import leashed
from consent_stream.domain.standing import BLANK
from consent_stream.inspection.following import Following
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin
from consent_stream.wire.change import decode_change, encode_change
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.topics import CHANGES, LEDGER, QUARANTINE, SUPPRESSION
from tests.faults.deployment import Deployment, await_that, deployed
from tests.faults.population import POLICY, events
from tests.wire.samples import KEY, SUPPRESSED, UNSUBSCRIBE

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One worker has worked off events of every sort, and some that are none."""
    with deployed(kafka, tmp_path_factory.mktemp("looking"), "looking-", POLICY) as found:
        worker = found.worker("w1").start().await_ready()
        found.produce(events(400, 60, people=80, seed=3))
        found.await_settled()
        yield found
        assert worker.stop() == 0


def run(deployment: Deployment, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "consent_stream", *arguments]
    ran = subprocess.run(command, env=deployment.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == code, ran.stderr
    assert "example.com" not in ran.stdout + ran.stderr
    assert "example.org" not in ran.stdout + ran.stderr
    return ran.stdout


def lines(deployment: Deployment, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(deployment, "tail", "--no-follow", "--json", *arguments).splitlines()]


def places(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return sorted((row["partition"], row["offset"]) for row in rows)


@pytest.mark.parametrize("topic", [CHANGES, LEDGER, QUARANTINE], ids=lambda topic: topic.name)
def test_tail_shows_every_record_once(deployment: Deployment, topic: Any) -> None:
    wanted = [(each.partition, each.offset) for each in deployment.read(topic)]
    found = lines(deployment, "--topic", topic.name)
    assert places(found) == sorted(wanted) != []
    if topic is CHANGES:  # the others have several writers, each with a clock of its own
        times = [row["written"] for row in found]
        assert times == sorted(times)
    assert not [row for row in found if row["trouble"]]


def test_what_is_left_out_is_what_was_not_asked_for(deployment: Deployment) -> None:
    changes = [(each, decode_change(each.value or b"")) for each in deployment.read(CHANGES)]
    tenant, kind = changes[0][1].tenant, changes[0][1].type
    wanted = [(e.partition, e.offset) for e, change in changes if (change.tenant, change.type) == (tenant, kind)]
    assert places(lines(deployment, "--tenant", tenant, "--type", kind)) == sorted(wanted)
    key = changes[0][0].key or b""
    of_key = sorted((each.partition, each.offset) for each, _ in changes if each.key == key)
    assert places(lines(deployment, "--key", key.hex())) == of_key
    middle = sorted(each.timestamp for each, _ in changes)[len(changes) // 2]
    instant = datetime.fromtimestamp(middle / 1000, UTC).isoformat()
    later = sorted((each.partition, each.offset) for each, _ in changes if each.timestamp >= middle)
    earlier = sorted((each.partition, each.offset) for each, _ in changes if each.timestamp < middle)
    assert places(lines(deployment, "--since", instant)) == later
    assert places(lines(deployment, "--until", instant)) == earlier


def test_stats_count_the_newest_record_of_each_key(deployment: Deployment) -> None:
    told = json.loads(run(deployment, "stats", "--json"))["lists"]
    for channel, topic in SUPPRESSION.items():
        newest: dict[bytes, Any] = {}
        for each in deployment.read(topic):
            if each.key != HEARTBEAT_KEY:
                entry = decode_entry(each.value or b"")
                if entry.version >= (newest[each.key].version if each.key in newest else 0):
                    newest[each.key or b""] = entry
        assert told[channel]["keys"] == len(newest)
        assert told[channel]["status"] == Counter(entry.status for entry in newest.values())
        assert told[channel]["reasons"] == Counter(reason for entry in newest.values() for reason in entry.reasons)
    changes = [decode_change(each.value or b"") for each in deployment.read(CHANGES)]
    told = json.loads(run(deployment, "stats", "--changes", "--json"))
    assert told["changes"] == len(changes)
    assert told["types"] == Counter(change.type for change in changes)


def test_inspect_tells_all_of_a_key(deployment: Deployment) -> None:
    facts = deployment.read(LEDGER)
    key, count = Counter(each.key for each in facts).most_common(1)[0]
    told = json.loads(run(deployment, "inspect", "--tenant", "t", "--key", (key or b"").hex(), "--json"))
    ledger = [row for row in told["history"] if row["topic"] == LEDGER.name]
    assert places(ledger) == sorted((each.partition, each.offset) for each in facts if each.key == key)
    assert len(ledger) == count
    assert told["keys"][0]["known"]
    assert told["keys"][0]["registers"]
    assert told["through"] > 0
    assert told["damaged"] == []


class Tail:
    """A `tail` that runs, and what it has said so far."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        place = ["--bootstrap", settings.bootstrap, "--topic-prefix", settings.topic_prefix]
        command = leashed([sys.executable, "-m", "consent_stream", "tail", "--json", *place, *arguments])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.shown: list[str] = []
        self.said: list[str] = []
        for pipe, kept in ((self.process.stdout, self.shown), (self.process.stderr, self.said)):
            threading.Thread(target=kept.extend, args=(pipe,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [json.loads(line)["id"] for line in list(self.shown)]


def change(settings: Settings, ident: str) -> None:
    producer = Producer(settings.producer(**{"log_level": 0}))
    value = encode_change("email", BLANK, SUPPRESSED, UNSUBSCRIBE._replace(id=ident), 9)
    producer.produce(CHANGES.full(settings.topic_prefix), value, KEY)
    assert producer.flush(30) == 0


@pytest.mark.slow
def test_kafka_goes_away_and_comes_back_with_one_line_each(kafka: str, tmp_path: Path) -> None:
    with LocalKafka(data=tmp_path / "kafka") as broker:
        settings = Settings(bootstrap=broker.bootstrap, topic_prefix="away-")
        TopicAdmin(settings).create({CHANGES: 2}, 1)
        change(settings, "before")
        tail = Tail(settings, "--since", "1h")
        try:
            await_that("the first is shown", lambda: tail.ids == ["before"], 60)
            broker.stop()
            await_that("it says so", lambda: len(tail.said) == 1, 60)
            broker.start()
            change(settings, "after")
            await_that("the next is shown", lambda: tail.ids == ["before", "after"], 60)
            await_that("it says that, too", lambda: len(tail.said) == 2, 60)
            tail.process.terminate()
            assert tail.process.wait(20) == 0
            said = [line.strip() for line in tail.said]
            assert said == ["consent-stream: Kafka is away; waiting for it", "consent-stream: Kafka is back"]
            assert tail.ids == ["before", "after"]
        finally:
            tail.process.kill()


def test_what_retention_took_is_said_and_not_passed_over(kafka: str, prefix: str) -> None:
    settings = Settings(bootstrap=kafka, topic_prefix=prefix)
    TopicAdmin(settings).create({CHANGES: 1}, 1)
    said: list[str] = []
    following = Following(settings, CHANGES, 0, since=None, live=True, say=said.append)
    for number in range(5):
        change(settings, f"e{number}")
    place = TopicPartition(CHANGES.full(prefix), 0, 3)
    admin = AdminClient(settings.librdkafka())  # kept: one that is collected never answers
    (deleted,) = admin.delete_records([place]).values()
    assert deleted.result(20).low_watermark == 3
    found: list[int] = []
    batches = following.batches()
    for batch in batches:
        found += [each.offset() for each in batch]
        if 4 in found:
            batches.close()
    assert found == [3, 4]
    assert said == [f"{CHANGES.full(prefix)} 0:0 is not there (any more); goes on at 3"]
