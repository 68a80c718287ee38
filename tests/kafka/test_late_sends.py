"""Mailers, a worker and `late-sends` as processes on a real Kafka: who is late, and by how much."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from consent_stream.dev.leash import leashed
from consent_stream.wire.send import Send, decode_send
from consent_stream.wire.topics import EVENTS, SENDS
from tests.faults.deployment import KEYS, Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY

pytestmark = pytest.mark.kafka

STALENESS_MS = 10_000  # the limit of a gate, by default


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("late"), "late-", POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Worker:
    return deployment.worker("w1").start().await_ready()


def event(kind: str, ident: str, **data: Any) -> bytes:
    return orjson.dumps({
        "specversion": "1.0", "id": ident, "source": "/forms", "type": f"{kind}.v1", "tenant": "t1",
        "time": "2026-03-01T12:00:00Z", "data": data,
    })  # fmt: skip


def granted(name: str) -> bytes:
    notice = {"id": "n1", "version": 3}
    about = {"email": address(name), "contact": name, "channel": "email", "scope": "news"}
    return event("consent.granted", f"grant-{name}", **about, notice=notice, evidence="E3")


def address(name: str) -> str:
    return f"{name}@example.com"


def withdrawn(name: str, number: int = 0) -> bytes:
    """By the address; every third one by the contact alone, whose fact reaches the address by derivation."""
    if number % 3 == 2:
        return event("unsubscribe.global", f"no-{name}", contact=name)
    return event("unsubscribe.oneclick", f"no-{name}", email=address(name), channel="email", scope="news")


class Mailer:
    """A process of `tests.kafka.campaign`."""

    def __init__(self, deployment: Deployment, way: str, names: list[str], folder: Path) -> None:
        file = folder / f"{way}-{names[0]}.json"
        file.write_text(json.dumps([{"tenant": "t1", "email": address(name), "scope": "news"} for name in names]))
        command = leashed([sys.executable, "-m", "tests.kafka.campaign", way, str(file)])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=deployment.environment(), text=True, **pipes)  # type: ignore[call-overload]
        assert self.line() == "ready"

    def line(self) -> str:
        return str(self.process.stdout.readline().strip())

    def end(self) -> dict[str, Any]:
        said, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        found = json.loads(said)
        assert found["lost"] == 0
        return dict(found)


@contextmanager
def mailer(deployment: Deployment, way: str, names: list[str], folder: Path) -> Iterator[Mailer]:
    running = Mailer(deployment, way, names, folder)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def late_sends(deployment: Deployment, *arguments: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Exit code, findings, summary."""
    command = [sys.executable, "-m", "consent_stream", "late-sends", "--json", *arguments]
    ran = subprocess.run(command, env=deployment.environment(), capture_output=True, timeout=60, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert lines, ran.stderr
    return ran.returncode, lines[:-1], lines[-1]["summary"]


def sends_of(deployment: Deployment, sender: str) -> list[Send]:
    found = [decode_send(each.value or b"") for each in deployment.read(SENDS)]
    return [send for send in found if send.sender == sender]


def await_recorded(deployment: Deployment, more: int) -> None:
    """Until so many more messages are in the topic."""

    def recorded() -> int:
        return sum(deployment.ends(SENDS).values())

    before = recorded()
    await_that(f"{more} messages are recorded", lambda: recorded() >= before + more, 20)


def received(deployment: Deployment) -> dict[str, int]:
    """Event id → microseconds at which Kafka took it."""
    return {orjson.loads(each.value or b"")["id"]: each.timestamp * 1000 for each in deployment.read(EVENTS)}


def grant_all(deployment: Deployment, names: list[str]) -> None:
    deployment.produce([granted(name) for name in names])
    deployment.await_settled()


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_a_good_mailer_is_never_late_by_more_than_its_gate_could_know(
    deployment: Deployment, worker: Worker, tmp_path: Path
) -> None:
    """Withdrawals arrive all the time. What is late is compared with plain arithmetic on the topics."""
    names = [f"ana{number}" for number in range(300)]
    grant_all(deployment, names)
    with mailer(deployment, "good", names, tmp_path) as good:
        with deployment.feeding([withdrawn(name, number) for number, name in enumerate(names)], 5):
            pass
        deployment.await_settled()
        sent = good.end()["sent"]
    code, findings, told = late_sends(deployment)
    taken, sends = received(deployment), sends_of(deployment, "good-mailer")
    assert len(sends) == sent == sum(told["outcomes"].values())
    assert told["outcomes"].keys() == {"handed_over", "held_back"}
    assert told["senders"]["good-mailer"]["sent"] == told["outcomes"]["handed_over"] > len(names)
    assert told["outcomes"]["held_back"] > 0
    by_key = {KEYS.subject("t1", "email", address(name)): taken[f"no-{name}"] for name in names}
    handed = {send.message_id: send for send in sends if send.started is not None}
    late = {ident for ident, send in handed.items() if send.started >= by_key[send.keys[0]]}
    assert {line["message_id"] for line in findings} == late
    assert (code, told["late"], told["unjudged"], told["unsaid"]) == (1 if late else 0, len(late), 0, 0)
    for line in findings:
        send = handed[line["message_id"]]
        assert line["received"] == by_key[send.keys[0]]
        assert line["late_ms"] == (send.started - line["received"]) / 1000 <= STALENESS_MS
        assert send.applied_through <= line["received"], "a withdrawal in the answer was not obeyed"


def test_a_mailer_that_holds_its_answers_is_late_by_as_long_as_it_held_them(
    deployment: Deployment, worker: Worker, tmp_path: Path
) -> None:
    names = [f"ben{number}" for number in range(3)]
    grant_all(deployment, names)
    since = now()
    with mailer(deployment, "holding", names, tmp_path) as holding:
        assert holding.line() == "holding"
        deployment.produce([withdrawn("ben0"), withdrawn("ben2", 2)])
        deployment.await_settled()
        time.sleep(0.3)
        before = time.time_ns() // 1000
        holding.end()
        after = time.time_ns() // 1000
    code, findings, told = late_sends(deployment, "--since", since)
    taken = received(deployment)
    assert (code, told["sent"], told["late"], told["unsaid"]) == (1, 3, 2, 3)
    for number, kind, line in zip((0, 2), ("unsubscribed", "global_opt_out"), _by_message(findings), strict=True):
        assert (line["message_id"], line["kind"], line["event"]) == (f"holding-0-{number}", kind, f"no-ben{number}")
        assert (line["sender"], line["tenant"], line["channel"]) == ("holding-mailer", "t1", "email")
        assert (line["answer"], line["said"], line["outcome"]) == ("allow", False, "handed_over")
        came = taken[f"no-ben{number}"]
        assert line["received"] == came
        assert before - came <= line["late_ms"] * 1000 <= after - came
    assert told["max_ms"] >= told["p99_ms"] >= told["p50_ms"] >= 300


def _by_message(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(findings, key=lambda line: str(line["message_id"]))


def test_a_mailer_that_never_looks_shows_up_with_every_message_after_the_withdrawal(
    deployment: Deployment, worker: Worker, tmp_path: Path
) -> None:
    grant_all(deployment, ["cleo"])
    deployment.produce([withdrawn("cleo")])
    deployment.await_settled()
    since = now()
    with mailer(deployment, "ignoring", ["cleo", "nobody-knows"], tmp_path) as ignoring:
        await_recorded(deployment, 6)
        sent = ignoring.end()["sent"]
    code, findings, told = late_sends(deployment, "--since", since, "--tenant", "t1", "--channel", "email")
    assert (code, told["sent"], told["outcomes"]) == (1, sent, {"unclear": sent})
    assert told["late"] == sum(line["event"] == "no-cleo" for line in findings) == (sent + 1) // 2
    assert told["without_permission"] == sum(line["reasons"] == ["no_consent"] for line in findings) == sent // 2
    assert {line["answer"] for line in findings} == {"deny"}
    assert "example.com" not in json.dumps([findings, told])
    instants = [line["handed_over_at"] for line in findings]
    assert instants == sorted(instants)


def test_a_window_holds_what_was_handed_over_in_it(deployment: Deployment, worker: Worker) -> None:
    whole, (first, *_), _ = late_sends(deployment)
    assert whole == 1
    until = datetime.fromtimestamp(first["handed_over_at"] / 1e6, UTC).isoformat()
    assert late_sends(deployment, "--until", until)[1] == []
    for other in (("--since", now()), ("--tenant", "t2"), ("--channel", "sms")):
        code, findings, told = late_sends(deployment, *other)
        assert (code, findings, told["outcomes"]) == (0, [], {})


def test_people_get_a_table_and_no_address(deployment: Deployment, worker: Worker) -> None:
    command = [sys.executable, "-m", "consent_stream", "late-sends"]
    ran = subprocess.run(command, env=deployment.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1, ran.stderr
    assert "holding-0-0" in ran.stdout
    assert "no-ben0" in ran.stdout
    assert "ignoring-mailer" in ran.stdout
    assert "example.com" not in ran.stdout + ran.stderr


def test_without_a_worker_the_newest_messages_are_not_judged_and_not_called_in_time(
    deployment: Deployment, worker: Worker, tmp_path: Path
) -> None:
    grant_all(deployment, ["dora"])
    with mailer(deployment, "good", ["dora"], tmp_path) as good:
        await_recorded(deployment, 6)
        assert worker.stop() == 0
        since = now()
        time.sleep(1.5)
        good.end()
    code, findings, told = late_sends(deployment, "--since", since, "--timeout", "0.5")
    assert (code, findings, told["sent"]) == (2, [], 0)
    assert told["unjudged"] == told["outcomes"]["handed_over"] > 0
