"""A rebuild beside the live lists: the same state byte for byte, whatever ends it, while events keep coming."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from consent_stream import Gate
from consent_stream.domain.facts import EMAIL, Fact, Restriction
from consent_stream.domain.nodes import node
from consent_stream.topics import active_generation
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.state import decode_registers
from consent_stream.wire.topics import AUDIT, LEDGER, STATE
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, await_that, deployed
from tests.faults.population import POLICY, events

pytestmark = pytest.mark.kafka


def rebuild(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consent_stream", "rebuild", *arguments]
    environment = deployment.environment("data-rebuild")
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def rows(deployment: Deployment, generation: int) -> dict[bytes | None, bytes | None]:
    deployment.generation = generation
    return {each.key: each.value for each in deployment.read(STATE)}


def test_a_rebuilt_generation_equals_the_live_one(kafka: str, prefix: str, tmp_path: Path) -> None:
    """With other partition counts, begun twice, while events arrive and a worker of the new one is killed."""
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        deployment.worker("live").start().await_ready()
        deployment.produce(events(1_500, 300, people=300))
        deployment.await_settled()
        with deployment.feeding(events(1_000, 200, people=300, seed=2), seconds=6):
            for _ in range(2):
                done = rebuild(deployment, "--into", "1", "--partitions", "3", "--seed-only")
                assert done.returncode == 0, done.stderr
            anew = deployment.worker("anew", "--generation", "1").start().await_ready()
            anew.kill()
            anew.start().await_ready()
        for generation in (0, 1):
            deployment.generation = generation
            deployment.await_settled()
            assert check_everything(deployment) > 300
        assert len(deployment.ends(LEDGER)) == 3
        assert rows(deployment, 0) == rows(deployment, 1)
        code, told = compare(deployment)
        assert (code, told["equal"], told["steady"]) == (0, True, True)
        assert told["topics"]["consent.state"]["partitions"]["0"][0]["keys"] > 10
        assert activate(deployment, "1").returncode == 0
        assert active_generation(deployment.settings) == 1
        (audited,) = [orjson.loads(each.value or b"") for each in deployment.read(AUDIT)]
        assert (audited["action"], audited["generation"], audited["reason"]) == ("generation.activated", 1, "a test")


def test_a_generation_that_lost_a_no_is_not_activated_unless_it_is_approved(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        deployment.worker("live").start().await_ready()
        deployment.produce(events(300, 50, people=50))
        deployment.await_settled()
        assert rebuild(deployment, "--into", "1", "--seed-only").returncode == 0
        lost = tell_the_live_ledger_alone(deployment)
        deployment.worker("anew", "--generation", "1").start().await_ready()
        code, told = compare(deployment)
        assert (code, told["equal"]) == (1, False)
        assert told["topics"]["consent.state"]["keys"] == [lost.key.hex()]
        refused = activate(deployment, "1", "--list", str(tmp_path / "freer.txt"))
        assert refused.returncode == 1
        assert lost.key.hex() in refused.stderr
        assert active_generation(deployment.settings) == 0
        assert (tmp_path / "freer.txt").read_text() == f"{lost.key.hex()}\n"
        with Gate(deployment.settings, store=tmp_path / "replica") as gate:
            assert gate.wait_ready(20)
            assert "legal" in reasons(gate, lost)
            assert activate(deployment, "1", "--approve", str(tmp_path / "freer.txt")).returncode == 0
            assert active_generation(deployment.settings) == 1
            await_that("the gate obeys the new generation", lambda: gate.wait_ready(1) and not reasons(gate, lost), 20)
            back = activate(deployment, "0")  # to what denies more: nothing to approve of
            assert back.returncode == 0, back.stderr
            await_that("the gate obeys the old one again", lambda: "legal" in reasons(gate, lost), 20)
        with Gate(deployment.settings, store=tmp_path / "replica") as again:  # control holds every switch there was
            assert again.wait_ready(20)
            assert again.status().alarms == {}
            assert "legal" in reasons(again, lost)


def test_a_generation_whose_workers_run_is_not_begun_again(kafka: str, prefix: str, tmp_path: Path) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        assert rebuild(deployment, "--into", "1", "--seed-only").returncode == 0
        deployment.worker("anew", "--generation", "1").start().await_ready()
        refused = rebuild(deployment, "--into", "1", "--seed-only")
        assert refused.returncode == 1
        assert "run already: stop them, then begin again" in refused.stderr


@pytest.mark.long
def test_the_command_works_on_as_a_worker_until_it_is_told_to_end(kafka: str, prefix: str, tmp_path: Path) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        live = deployment.worker("live").start().await_ready()
        deployment.produce(events(300, 50, people=50))
        deployment.await_settled()
        assert live.stop() == 0
        command = [sys.executable, "-m", "consent_stream", "rebuild", "--into", "2"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=deployment.environment("data-rebuild"), **pipes) as process:
            assert process.stdout is not None
            assert "copied" in process.stdout.readline()
            assert process.stdout.readline() == "ready\n"
            deployment.produce(events(100, 20, people=50, seed=2))
            deployment.generation = 2
            deployment.await_settled()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            assert process.returncode == 0
        assert check_everything(deployment) > 50


def test_a_generation_without_a_worker_is_not_activated(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Nothing happened since it ended, and all is settled and equal; but nobody would keep its lists fresh."""
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        deployment.worker("live").start().await_ready()
        deployment.produce(events(100, 20, people=30))
        deployment.await_settled()
        assert rebuild(deployment, "--into", "1", "--seed-only").returncode == 0
        anew = deployment.worker("anew", "--generation", "1").start().await_ready()
        deployment.generation = 1
        deployment.await_settled()
        assert compare(deployment)[0] == 0
        assert anew.stop() == 0
        refused = activate(deployment, "1", "--timeout", "2")
        assert refused.returncode == 2
        assert "does a worker of it run?" in refused.stderr
        assert active_generation(deployment.settings) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--into", "0"), "0 is not in the range"), (("--into", "1", "--from", "1"), "generations only grow")],
)
def test_what_is_no_new_generation_is_refused(
    kafka: str, prefix: str, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        done = rebuild(deployment, *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def compare(deployment: Deployment, *arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "consent_stream", "compare", "0", "1", "--json", *arguments]
    done = subprocess.run(
        command, env=deployment.environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, orjson.loads(done.stdout)


def activate(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consent_stream", "activate", "--reason", "a test", *arguments]
    environment = deployment.environment()
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)


def reasons(gate: Gate, lost: Fact) -> set[str]:
    """Those that matter here; whether there is a grant does not."""
    return set(gate.check(tenant=lost.tenant, key=lost.key.hex()).reasons) & {"legal", "not_ready", "stale"}


def tell_the_live_ledger_alone(deployment: Deployment) -> Fact:
    """A no that the new generation never hears of, as if a defect had lost it there."""
    deployment.generation = 0
    facts = [decode_fact(each.key, each.value or b"") for each in deployment.read(LEDGER)]
    fact = next(fact for fact in facts if fact.channels == EMAIL and fact.parts and not fact.derived)
    part = Restriction("legal", node("marketing", "email", "*"), False, fact.received, "extra", "/staff", "x")
    told = fact._replace(id="extra", parts=(part,))
    producer = Producer(deployment.settings.producer())
    producer.produce(LEDGER.full(deployment.prefix), encode_fact(told), told.key)
    assert producer.flush(10) == 0

    def folded() -> bool:
        state = {each.key: each.value for each in deployment.read(STATE)}
        return any(r.kind == "legal" for r in decode_registers(state[told.key] or b"").restrictions.values())

    await_that("the live table has it", folded, 20)
    return told
