"""The kill switch and the barrier on a real Kafka: a real worker, mailers as processes, one of them frozen."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from consent_stream import Gate
from consent_stream.dev.leash import leashed
from consent_stream.settings import Settings
from consent_stream.topics import read_control
from consent_stream.wire.gate_report import GateReport, encode_report
from consent_stream.wire.stops import decode_stop
from consent_stream.wire.topics import AUDIT, CONTROL, GATES
from tests.conftest import MakeTopics
from tests.faults.deployment import Deployment, await_that, deployed
from tests.faults.population import POLICY

pytestmark = pytest.mark.kafka
MAILER = """
import os, sys, time
from consent_stream import Gate
from consent_stream.settings import Settings
with Gate(Settings.read({}, os.environ), channel="email") as gate:
    gate.wait_ready(60)
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("stopping"), "stopping-", POLICY) as found:
        found.worker("w1").start().await_ready()
        yield found


class Mailer:
    def __init__(self, deployment: Deployment) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = leashed([sys.executable, "-c", MAILER])
        self.process = subprocess.Popen(command, env=deployment.environment(), **pipes)  # type: ignore[call-overload]
        assert self.process.stdout.readline() == "ready\n"

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.communicate("", timeout=20)


@pytest.fixture
def mailer(deployment: Deployment) -> Iterator[Mailer]:
    found = Mailer(deployment)
    yield found
    found.close()


def run(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consent_stream", *arguments]
    return subprocess.run(
        command, env=deployment.environment(), input="", capture_output=True, text=True, timeout=60, check=False
    )


def told(deployment: Deployment, *arguments: str) -> tuple[int, Any]:
    done = run(deployment, *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, orjson.loads(done.stdout)


def reasons(gate: Gate, tenant: str) -> tuple[str, ...]:
    return gate.check(tenant=tenant, email="somebody@example.com", scope="news").reasons


def test_a_switch_is_obeyed_by_every_gate_and_audited(deployment: Deployment, mailer: Mailer) -> None:
    with Gate(deployment.settings) as gate, Gate(deployment.settings, channel="sms") as texts:
        assert gate.wait_ready(20)
        assert texts.wait_ready(20)
        why = ("--tenant", "t0", "--channel", "email", "--reason", "wrong template", "--by", "ana")
        code, found = told(deployment, "stop-sending", *why, "--wait", "20")
        assert (code, found["passed"], found["of"]) == (0, True, 2)  # the gate of texts need not obey
        assert reasons(gate, "t0")[0] == "stopped"
        assert "stopped" not in reasons(gate, "t1")
        assert "stopped" not in texts.check(tenant="t0", phone="+12015550123", scope="news").reasons
        with Gate(deployment.settings) as late:  # started after the switch
            assert late.wait_ready(20)
            assert reasons(late, "t0")[0] == "stopped"
        listed = run(deployment, "stops")
        assert listed.returncode == 1
        assert "wrong template" in listed.stdout
        assert run(deployment, "resume", *why, "--wait", "20").returncode == 0
        assert "stopped" not in reasons(gate, "t0")
        history = run(deployment, "stops", "--history", "--json")
        actions = [orjson.loads(line) for line in history.stdout.splitlines()]
        assert [(each["action"], each["by"]) for each in actions] == [
            ("sending.stopped", "ana"),
            ("sending.resumed", "ana"),
        ]
        assert run(deployment, "stops").returncode == 0


def test_everything_is_stopped_only_when_it_is_meant(deployment: Deployment) -> None:
    asked = run(deployment, "stop-sending", "--reason", "x")
    assert (asked.returncode, asked.stderr.count("\n")) == (2, 1)
    assert "--yes" in asked.stderr
    assert run(deployment, "stops").returncode == 0
    with Gate(deployment.settings) as gate:
        assert gate.wait_ready(20)
        assert run(deployment, "stop-sending", "--reason", "x", "--yes", "--wait", "20").returncode == 0
        assert reasons(gate, "nobody")[0] == "stopped"
        narrow = run(deployment, "stop-sending", "--tenant", "t0", "--reason", "y")
        assert narrow.returncode == 0, narrow.stderr
        half = run(deployment, "resume", "--tenant", "t0", "--reason", "z")
        assert "still stopped: every tenant" in half.stderr
        assert run(deployment, "stop-sending", "--tenant", "t1", "--reason", "[/red]\x1b[2J").returncode == 0
        whole = run(deployment, "resume", "--reason", "z", "--yes", "--wait", "20")
        assert whole.returncode == 0
        assert "still stopped: tenant t1, every list ([/red]�[2J)" in whole.stderr
        assert "stopped" not in reasons(gate, "nobody")
        assert reasons(gate, "t1")[0] == "stopped"
        assert "[/red]�[2J" in run(deployment, "stops").stdout
        assert run(deployment, "resume", "--tenant", "t1", "--reason", "z", "--wait", "20").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("stop-sending", "--tenant", "nobody", "--reason", "x"), 2, "--force"),
        (("stop-sending", "--channel", "fax", "--reason", "x"), 2, "fax"),
        (("stop-sending", "--yes"), 2, "--reason"),
        (("resume", "--tenant", "t0", "--reason", "x"), 1, "nothing is"),
        (("barrier", "x"), 2, "PARTITION:OFFSET"),
        (("barrier", "0:999999"), 2, "no such event"),
        (("barrier", "99:0"), 2, "no such event"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    deployment: Deployment, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run(deployment, *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert run(deployment, "stops").returncode == 0


def test_a_barrier_names_the_gate_that_lags_and_passes_when_it_is_awake(deployment: Deployment, mailer: Mailer) -> None:
    garbage = Producer(deployment.settings.producer())
    garbage.produce(GATES.full(deployment.prefix), b"garbage", b"x", 0)
    garbage.produce(CONTROL.full(deployment.prefix), b"garbage", b"x", 0)
    assert garbage.flush(10) == 0
    with Gate(deployment.settings) as gate:
        assert gate.wait_ready(20)
        ((partition, offset),) = deployment.produce([b'{"type":"unsubscribe.oneclick.v1"}'])
        receipt = f"{partition}:{offset}"
        code, found = told(deployment, "barrier", receipt, "--wait", "20")
        assert (code, found["reached"], found["of"]) == (0, 2, 2)
        assert found["since"] <= time.time() * 1e6
        mailer.process.send_signal(signal.SIGSTOP)
        ((partition, offset),) = deployment.produce([b'{"type":"unsubscribe.oneclick.v1"}'], partition)
        receipt = f"{partition}:{offset}"
        assert gate.wait_for(receipt, 20)
        code, found = told(deployment, "barrier", receipt, "--wait", "3")
        assert (code, found["reached"], found["of"]) == (1, 1, 2)
        assert {each["state"] for each in found["gates"]} <= {"reached", "behind", "silent"}
        spoken = run(deployment, "barrier", receipt)
        assert "enforced at 1 of 2 gates" in spoken.stdout
        mailer.process.send_signal(signal.SIGCONT)
        assert told(deployment, "barrier", receipt, "--wait", "20")[0] == 0
    mailer.close()  # says goodbye, and is not missed
    await_that("no gate is left", lambda: told(deployment, "barrier", receipt)[1]["of"] == 0, 20)
    assert "no gate has reported" in run(deployment, "barrier", receipt).stdout


NASTY = GateReport(
    "f" * 32, "[/bold]", "\x1b[2J", "sharing", "suppression.sharing", 0, 1 << 62, False, "following", True, "[/]", 0, 1,
    1, {}, {}, 0, 0, 1, None,
)  # fmt: skip


def test_what_others_write_breaks_no_answer(deployment: Deployment) -> None:
    """Reports, switches and audit records that are none, or are made to break a table or a terminal."""
    producer = Producer(deployment.settings.producer())
    key, value = encode_report(NASTY)
    for topic, name, record in (
        (GATES, key, value),
        (GATES, b"x", None),
        (AUDIT, None, b'{"action":"sending.stopped"}'),
        (AUDIT, None, b"[1]"),
        (AUDIT, None, b"\xff"),
        (CONTROL, b"stop/fax/acme", b"{}"),
        (CONTROL, b"stop/\xff", None),
        (CONTROL, b"stop/sharing/t1", b"x"),
    ):
        producer.produce(topic.full(deployment.prefix), record, name, 0)
    assert producer.flush(10) == 0
    ((partition, offset),) = deployment.produce([b'{"type":"unsubscribe.oneclick.v1"}'])
    spoken = run(deployment, "barrier", f"{partition}:{offset}", "--channel", "sharing")
    assert spoken.returncode == 1, spoken.stderr
    assert "[/bold]" in spoken.stdout
    assert "\x1b" not in spoken.stdout
    assert run(deployment, "stops", "--history").returncode == 0
    listed = run(deployment, "stops")
    assert listed.returncode == 1
    assert "cannot be read" in listed.stdout
    assert run(deployment, "resume", "--tenant", "t1", "--channel", "sharing", "--reason", "mended").returncode == 0
    assert run(deployment, "stops").returncode == 0


def test_a_switch_needs_no_gate_that_can_tell(kafka: str, prefix: str, make_topics: MakeTopics) -> None:
    """In an emergency, on topics of an older version: it is set, and only the proof is lacking."""
    settings = Settings(bootstrap=kafka, topic_prefix=prefix)
    make_topics(kafka, {CONTROL.full(prefix): {"cleanup.policy": "compact"}, AUDIT.full(prefix): {}}, 1)
    command = [sys.executable, "-m", "consent_stream", "stop-sending", "--reason", "x", "--yes", "--bootstrap", kafka]
    command += ["--topic-prefix", prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped: every tenant, every list\n"), done.stderr
    waited = subprocess.run([*command, "--wait", "1"], capture_output=True, text=True, timeout=60, check=False)
    assert waited.returncode == 1
    assert "it is turned" in waited.stderr
    assert decode_stop(read_control(settings)[b"stop/*/*"]).stopped


def test_a_mailer_that_was_killed_is_named_as_silent(deployment: Deployment) -> None:
    mailer = Mailer(deployment)
    ((partition, offset),) = deployment.produce([b'{"type":"unsubscribe.oneclick.v1"}'])
    receipt = f"{partition}:{offset}"
    assert told(deployment, "barrier", receipt, "--channel", "email", "--wait", "20")[0] == 0
    mailer.process.kill()
    mailer.process.communicate()

    def silent() -> bool:
        code, found = told(deployment, "barrier", receipt, "--channel", "email")
        return code == 1 and [each["state"] for each in found["gates"]] == ["silent"]

    await_that("it is silent", silent, 30)
    spoken = run(deployment, "barrier", receipt, "--channel", "email").stdout
    assert "enforced at 0 of 1 gates" in spoken
    assert "denies after 10 s" in spoken
