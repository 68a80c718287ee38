"""A mailer in Java with the plain Kafka client and docs/contract.md answers as the gate does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from consent_stream import Gate
from consent_stream.dev.jars import java, kafka_jars
from consent_stream.domain.addresses import canonical_email
from consent_stream.domain.facts import KINDS
from consent_stream.gate.verdict import Verdict
from consent_stream.wire.control import encode_policy
from consent_stream.wire.stops import Stop, encode_stop
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.topics import CONTROL, SUPPRESSION
from tests.faults.deployment import KEYS, Deployment, Worker, await_that, deployed
from tests.kafka.asked import POLICY, STRICTER, Asked, corners, people, population

pytestmark = pytest.mark.kafka

SOURCES = Path(__file__).parent / "java"
CLIENT = ("kafka-clients-", "slf4j-api-", "lz4-java-")  # the client, and what it needs itself
HISTORIES = 450
SECONDS = 10.0  # how old an answer may be
# Reasons that a reader of the contract need not tell apart: nothing permits.
NO_GRANT = frozenset(("expired", "evidence_too_low", "no_consent"))


class Answer(NamedTuple):
    """What the reader prints: send or not, the reasons against, whether status and scopes would have refused."""

    send: bool
    against: frozenset[str]
    refused: bool


class Reader:
    """The Java program, compiled once."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        jars = [each for each in sorted(kafka_jars().iterdir()) if each.name.startswith(CLIENT)]
        self._folder, self._where = folder, [bootstrap, prefix]
        (folder / "classes").mkdir()
        self._classpath = ":".join(map(str, (folder / "classes", *jars)))
        sources = sorted(map(str, SOURCES.glob("*.java")))
        compiler = str(Path(java()).with_name("javac"))
        lint = ["-Xlint:all", "-Werror", "-d", str(folder / "classes"), "-cp", self._classpath]
        ran = subprocess.run([compiler, *lint, *sources], capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr

    def ask(self, questions: Sequence[Asked], keys: Sequence[str], seconds: float = SECONDS) -> list[Answer]:
        """Its answers; `keys` are the lines of its key file."""
        (self._folder / "keys.txt").write_text("\n".join(keys))
        (self._folder / "questions.txt").write_text("\n".join(each.line for each in questions))
        files = [str(self._folder / "keys.txt"), str(self._folder / "questions.txt")]
        command = [java(), "-XX:TieredStopAtLevel=1", "-cp", self._classpath, "GateReader"]
        ran = subprocess.run(
            [*command, *self._where, *files, str(seconds)], capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        answers = [line.split("\t") for line in ran.stdout.splitlines()]
        assert len(answers) == len(questions)
        return [Answer(send == "send", frozenset(filter(None, r.split(","))), bool(f)) for send, r, f in answers]


class World(NamedTuple):
    deployment: Deployment
    worker: Worker
    gate: Gate
    reader: Reader
    questions: list[Asked]


ROOT_KEY = [f"root 0 {bytes(32).hex()}"]


@pytest.fixture(scope="module")
def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The population is on the lists, and a gate has them."""
    folder, prefix = tmp_path_factory.mktemp("java"), "java-"
    with deployed(kafka, folder, prefix, POLICY) as deployment:
        worker = deployment.worker("w1").start()
        reader = Reader(folder, kafka, prefix)
        histories = [*population(HISTORIES), people(2_400)]
        deployment.produce(value for events, _ in [*histories, corners()] for value in events)
        worker.await_ready()
        deployment.await_settled()
        with Gate(bootstrap=kafka, topic_prefix=prefix, keys=KEYS, staleness_limit=SECONDS) as gate:
            assert gate.wait_ready(30)
            yield World(deployment, worker, gate, reader, [each for _, asked in histories for each in asked])


def told(verdict: Verdict) -> frozenset[str]:
    """The gate's reasons as the reader names them."""
    return frozenset("no_consent" if reason in NO_GRANT else reason for reason in verdict.reasons)


def compare(world: World, keys: Sequence[str]) -> list[tuple[Asked, Verdict, Answer]]:
    """Every question with both answers, which agree to the last reason."""
    answers = world.reader.ask(world.questions, keys)
    verdicts = world.gate.check_many(world.questions)
    both = list(zip(world.questions, verdicts, answers, strict=True))
    wrong = [(each.line, verdict.reasons, answer) for each, verdict, answer in both if answer.against != told(verdict)]
    assert wrong == []
    assert all(bool(verdict) == answer.send for _, verdict, answer in both)
    return both


def test_a_java_consumer_answers_as_the_gate_does(world: World) -> None:
    both = compare(world, ROOT_KEY)
    marketing = [each for each in both if each[0]["purpose"] == "marketing"]
    allowed = [answer for _, _, answer in marketing if answer.send]
    assert len(both) >= 2_000
    assert len(allowed) >= 200
    assert {reason for _, _, answer in both for reason in answer.against} >= set(KINDS) | {"minor", "undeliverable"}
    # The one way in which the shortcuts are more restrictive: a restriction that is undone, which they do not trust.
    refused = [(asked, verdict) for asked, verdict, answer in marketing if answer.send and answer.refused]
    assert 0 < len(refused) < len(allowed) / 10
    rows = {each.key: each.value for each in world.deployment.read(SUPPRESSION["email"])}
    assert [asked.line for asked, _ in refused if not undone(asked, rows)] == []


def test_corners_that_chance_seldom_meets_and_status_and_scopes_do_not_tell(world: World) -> None:
    _, asked = corners()
    answers = world.reader.ask([each for each, _ in asked], ROOT_KEY)
    assert answers == [Answer(not against, against, False) for _, against in asked]
    assert [told(world.gate.check(**each)) for each, _ in asked] == [against for _, against in asked]


def undone(asked: Asked, rows: Mapping[bytes | None, bytes | None]) -> bool:
    """Whether a row of the question holds a restriction of the message's purpose that does not count any more."""
    keys = [KEYS.subject(asked["tenant"], "email", canonical_email(asked["email"]) or "")]
    keys += [KEYS.subject(asked["tenant"], "contact", asked["contact"])] if asked["contact"] else []
    held = [decode_entry(rows[key] or b"") for key in keys if key in rows]
    return any(r.node.purpose in ("marketing", "*") for entry in held for r in entry.registers.restrictions.values())


def test_it_decides_by_the_choices_and_the_kill_switch_of_now_with_derived_keys(world: World) -> None:
    """Rows were written under other choices; a mailer has the keys of its tenants alone."""
    tenants = sorted({each["tenant"] for each in world.questions})
    keys = [f"tenant {tenant} 0 {KEYS.tenant_key(tenant, 0).hex()}" for tenant in tenants]
    before = compare(world, keys)
    tell(world, encode_policy(STRICTER), encode_stop("hooli", "email", Stop(True, "a test", "ana", 1)))
    await_that("the gate is stopped", lambda: "stopped" in of(world.gate, "hooli"), 20)
    after = world.reader.ask(world.questions, keys)
    verdicts = world.gate.check_many(world.questions)
    wrong = [
        (each.line, verdict.reasons, answer)
        for each, verdict, answer in zip(world.questions, verdicts, after, strict=True)
        if bool(verdict) != answer.send
        or answer.against != ({"stopped"} if "stopped" in verdict.reasons else told(verdict))
    ]
    assert wrong == []
    for tenant in ("acme", "globex", "hooli"):  # each was allowed something that it now is not, or the other way round
        pairs = zip(world.questions, before, after, strict=True)
        assert any(each["tenant"] == tenant and was[2].send != now.send for each, was, now in pairs), tenant


def of(gate: Gate, tenant: str) -> tuple[str, ...]:
    return gate.check(tenant=tenant, email="ana@example.com").reasons


def tell(world: World, *records: tuple[bytes, bytes]) -> None:
    """Records of `consent.control`, as a worker that starts and `stop-sending` write them."""
    producer = Producer(world.deployment.settings.producer())
    for key, value in records:
        producer.produce(CONTROL.full(world.deployment.prefix), value, key)
    assert producer.flush(20) == 0


def test_it_sends_nothing_with_other_keys_than_those_of_the_lists(world: World) -> None:
    for keys in ([f"root 0 {'11' * 32}"], [f"root 1 {bytes(32).hex()}"]):
        answers = world.reader.ask(world.questions[:40], keys)
        assert {answer.against for answer in answers if "unreadable question" not in answer.against} == {
            frozenset(["other keys"])
        }
        assert not any(answer.send for answer in answers)


def test_it_sends_nothing_when_the_worker_is_dead_and_answers_again_when_it_is_back(world: World) -> None:
    world.worker.kill()
    await_that("the lists are old", lambda: (world.gate.status().staleness or 0) > 2, 20)
    answers = world.reader.ask(world.questions, ROOT_KEY, seconds=2)
    assert {answer.against for answer in answers} <= {frozenset(["stale"]), frozenset(["unreadable question"])}
    assert not any(answer.send for answer in answers)
    world.worker.start().await_ready()
    world.deployment.await_settled()
    assert any(answer.send for answer in world.reader.ask(world.questions, ROOT_KEY))
