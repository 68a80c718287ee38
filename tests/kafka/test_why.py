"""`why` over the whole path on a real Kafka: event, worker, list, gate, messages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from consent_stream import Gate
from consent_stream.cli import main
from consent_stream.wire.topics import LEDGER, SENDS, SUPPRESSION
from tests.faults.deployment import KEYS, Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY

pytestmark = pytest.mark.kafka

ANA = {"email": "ana@example.com", "contact": "c-42"}
WHO = ["--tenant", "t1", "--email", ANA["email"], "--scope", "news"]


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("why"), "why-", POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Worker:
    return deployment.worker("w1").start().await_ready()


@pytest.fixture(scope="module")
def gate(deployment: Deployment, worker: Worker) -> Iterator[Gate]:
    with Gate(deployment.settings, keys=KEYS, channel="email") as found:
        assert found.wait_ready(60)
        yield found


def event(kind: str, ident: str, **data: Any) -> bytes:
    return orjson.dumps({
        "specversion": "1.0", "id": ident, "source": "/forms", "type": f"{kind}.v1", "tenant": "t1",
        "time": "2026-03-01T12:00:00Z", "data": data,
    })  # fmt: skip


def accept(deployment: Deployment, gate: Gate, value: bytes) -> tuple[int, int]:
    """Send an event and wait until it is in the lists and at the gate; where it lies."""
    (place,) = deployment.produce([value])
    deployment.await_settled()
    assert gate.wait_for(place, 30)
    return place


def why(deployment: Deployment, *arguments: str) -> tuple[int, dict[str, Any]]:
    ran = CliRunner(env=deployment.environment()).invoke(main, ["why", "--json", *arguments])
    assert ran.stdout, (ran.stderr, ran.exception)
    assert "@" not in ran.stdout
    return ran.exit_code, json.loads(ran.stdout)


def test_the_whole_path_from_the_event_to_the_message(deployment: Deployment, gate: Gate) -> None:
    """Ana consents and is written to; her contact opts out, which reaches her mailbox over a link; who asks holds back,
    and who does not is late."""
    notice = {"id": "n1", "version": 3}
    grant = event("consent.granted", "grant", **ANA, channel="email", scope="news", notice=notice, evidence="E3")
    granted_at = accept(deployment, gate, grant)
    question = {"tenant": "t1", "email": ANA["email"], "scope": "news"}
    with gate.sending(**question, message_id="first") as permit:
        assert permit.ensure()
    allowed, between = gate.check(**question), time.time_ns() // 1000
    assert allowed
    code, chain = why(deployment, *WHO)
    assert (code, chain["allow"], chain["reasons"], chain["list_reasons"]) == (0, True, [], [])
    assert tuple(chain["deciding"]) == allowed.facts == ("grant",)
    assert chain["permission"]["notice_version"] == "3"
    assert chain["permission"]["sha256"] is not None  # the policy file is in the environment

    refused_at = accept(deployment, gate, event("unsubscribe.global", "no", contact=ANA["contact"]))
    with gate.sending(**question, message_id="second") as permit:
        assert not permit.ensure()
    with gate.sending(**question, message_id="third"):
        pass  # nobody looks
    await_that("three messages are recorded", lambda: sum(deployment.ends(SENDS).values()) >= 3, 20)

    code, chain = why(deployment, *WHO)
    denied = gate.check(**question)
    assert (code, tuple(chain["reasons"]), tuple(chain["list_reasons"])) == (1, denied.reasons, denied.reasons)
    assert tuple(chain["deciding"]) == denied.facts == ("no",)
    first, last = chain["events"]
    assert [(each["id"], (each["partition"], each["offset"])) for each in (first, last)] == [
        ("grant", granted_at),
        ("no", refused_at),
    ]
    assert (last["before"], last["after"], last["decides"]) == ([], ["global_opt_out"], True)
    (fact,) = last["facts"]
    assert (fact["derived"], fact["over"]["kind"], fact["over"]["direct"]) == (True, "contact", True)
    record = next(each for each in deployment.read(LEDGER) if (each.partition, each.offset) == _place(fact))
    assert record.key is not None
    assert record.key.hex() == fact["key"]
    (listed,) = [each for each in chain["lists"] if each["list"] == "email"]
    assert (listed["cause"], (listed["cause_partition"], listed["cause_offset"])) == ("no", refused_at)
    assert _place(listed) in {(each.partition, each.offset) for each in deployment.read(SUPPRESSION["email"])}
    (reached,) = chain["gates"]
    assert (reached["state"], reached["lag"]) == ("reached", None)
    sends = chain["sends"]
    told = {each["message_id"]: (each["permitted"], each["after"], each["late_by"] is not None) for each in sends}
    assert told == {"first": (True, False, False), "second": (None, True, False), "third": (False, True, True)}

    then = _rfc3339(between)
    code, chain = why(deployment, *WHO, "--known-at", then)
    assert (code, chain["allow"], [each["id"] for each in chain["events"]]) == (0, True, ["grant"])
    code, chain = why(deployment, "--tenant", "t1", "--contact", ANA["contact"], "--scope", "news")
    assert (code, chain["reasons"][0]) == (1, "global_opt_out")


def _place(found: dict[str, Any]) -> tuple[int, int]:
    return found["partition"], found["offset"]


def _rfc3339(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat()
