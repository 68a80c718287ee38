"""Quarantine as on-call works it: a worker and the commands as processes, on a real Kafka."""

from __future__ import annotations

import http.client
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from consent_stream.cli import main
from consent_stream.dev.ports import free_ports
from consent_stream.gate import Gate
from consent_stream.wire.marks import decode_mark
from consent_stream.wire.topics import AUDIT, EVENTS, QUARANTINE
from tests.faults.deployment import Deployment, Found, Worker, await_that, deployed

pytestmark = pytest.mark.kafka

NOTICE = """
[[notices.acme]]
id = "n1"
version = 1
sha256 = "00"
effective = "2026-01-01T00:00:00Z"
purposes = ["marketing"]
"""
SOURCE = '[sources."{}"]\nclock = "{}"\nmax_evidence = "E3"\ntenants = ["acme"]\n'
POLICY = (
    "[tenants.acme]\n" + SOURCE.format("/edge", "ours") + SOURCE.format("/ops", "ours") + SOURCE.format("/mta", "ours")
)
MENDED = POLICY + SOURCE.format("/new", "ours")
TIME = "2026-03-01T12:00:00Z"
ANA, BO = "ana.marker@example.com", "bo.marker@example.org"


def event(kind: str, ident: str, source: str = "/edge", tenant: str | None = "acme", **data: Any) -> bytes:
    told = {"specversion": "1.0", "id": ident, "source": source, "type": f"{kind}.v1", "time": TIME, "data": data}
    return orjson.dumps(told if tenant is None else {**told, "tenant": tenant})


def granted(ident: str, email: str, source: str) -> bytes:
    notice = {"id": "n1", "version": 1}
    return event(
        "consent.granted", ident, source, email=email, channel="email", scope="news", notice=notice, evidence="E3"
    )


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("quarantine"), "quarantine-", POLICY + NOTICE) as found:
        (found.folder / "mended.toml").write_text(MENDED + NOTICE)
        yield found


@pytest.fixture(scope="module")
def port() -> int:
    (found,) = free_ports(1)
    return found


@pytest.fixture(scope="module")
def worker(deployment: Deployment, port: int) -> Worker:
    return deployment.worker("w1", "--metrics", str(port)).start().await_ready()


class Ran:
    def __init__(self, code: int, out: bytes, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert ANA.encode() not in out
        assert ANA not in err

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def run(deployment: Deployment, *arguments: str) -> Ran:
    """In this process: a new one takes a second to begin."""
    environment = {name: value for name, value in deployment.environment().items() if name.startswith("CONSENT_")}
    done = CliRunner().invoke(main, list(arguments), env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Ran(done.exit_code, done.stdout_bytes, done.stderr)


def listed(deployment: Deployment, *arguments: str) -> list[dict[str, Any]]:
    return run(deployment, "quarantine", "list", "--json", *arguments).rows


def figures(port: int) -> dict[str, float]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("GET", "/metrics")
    lines = link.getresponse().read().decode().splitlines()
    return {
        line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("consent_quarantine_withdrawal")
    }


def send(deployment: Deployment, *records: tuple[bytes, bytes | None, list[tuple[str, bytes]]]) -> None:
    producer = Producer(deployment.settings.producer())
    for value, key, headers in records:
        producer.produce(EVENTS.full(deployment.prefix), value, key, headers=headers)
    assert producer.flush(20) == 0


def quarantined(deployment: Deployment) -> list[Found]:
    return deployment.read(QUARANTINE)


def test_what_was_not_understood_is_listed_shown_put_back_and_done_with(
    deployment: Deployment, worker: Worker, port: int
) -> None:
    grant, lost = (
        granted("g1", ANA, "/new"),
        event("unsubscribe.oneclick", "u1", tenant=None, email=ANA, channel="email"),
    )
    headers = [("to", ANA.encode()), ("x", b""), ("to", b"again")]
    send(deployment, (grant, b"a key", headers), (lost, None, []), (b"\x1f\x8b" + b"\xff" * 40, None, []))
    await_that("three are in quarantine", lambda: len(quarantined(deployment)) == 3, 30)
    await_that("the worker tells of two", lambda: figures(port).get("consent_quarantine_withdrawals") == 2, 30)
    assert figures(port)["consent_quarantine_withdrawal_age_seconds"] > 0

    *rows, counts = listed(deployment)
    assert (counts["records"], counts["may_be_withdrawals"]) == (3, 2)
    places = {row["code"] if row["bytes"] > 60 else "garbage": row["place"] for row in rows}
    assert {row["code"]: row["may_be_withdrawal"] for row in rows if row["bytes"] > 60} == {
        "unknown_source": False,
        "no_tenant": True,
    }
    assert [row["place"] for row in listed(deployment, "--code", "no_tenant")[:-1]] == [places["no_tenant"]]
    assert b"unknown_source" in run(deployment, "quarantine").out

    shown = run(deployment, "quarantine", "show", places["unknown_source"])
    assert (shown.code, b'"type":"consent.granted.v1"' in shown.out) == (0, True)

    # Nothing of it would be understood under the policy that is in force; under the mended one it would.
    replay = ("quarantine", "replay", places["unknown_source"])
    refused = run(deployment, *replay, "--yes")
    assert (refused.code, len(quarantined(deployment))) == (1, 3)
    mended = ("--policy", str(deployment.folder / "mended.toml"))
    tried = run(deployment, *replay, *mended, "--dry-run", "--json")
    assert tried.rows[0]["would"] == "accepted as grant"
    assert run(deployment, *replay, *mended).code == 2  # nobody is here to ask
    assert len(listed(deployment)) == 4

    (deployment.folder / "policy.toml").write_text(MENDED + NOTICE)
    assert worker.stop() == 0
    worker.start().await_ready()
    done = run(deployment, *replay, "--reason", "source registered", "--by", "kim", "--yes", "--json")
    assert done.code == 0, done.err
    p, offset = map(int, done.rows[0]["receipt"].split(":"))
    (again,) = (each for each in deployment.read(EVENTS) if (each.partition, each.offset) == (p, offset))
    assert (again.key, again.value, again.headers) == (b"a key", grant, headers)
    deployment.await_settled()
    with Gate(deployment.settings, channel="email", report=False) as gate:
        assert gate.wait_ready(20)
        assert gate.check(tenant="acme", email=ANA, scope="news")

    # Done with, also for a worker that has started since.
    assert (
        run(deployment, "quarantine", "drop", places["garbage"], "--reason", "noise", "--by", "kim", "--yes").code == 0
    )
    await_that("one is open", lambda: figures(port).get("consent_quarantine_withdrawals") == 1, 30)
    assert [row["place"] for row in listed(deployment)[:-1]] == [places["no_tenant"]]
    marks = {row["place"]: row["mark"] for row in listed(deployment, "--all")[:-1]}
    assert {place: mark and (mark["action"], mark["by"], mark["reason"]) for place, mark in marks.items()} == {
        places["unknown_source"]: ("quarantine.replayed", "kim", "source registered"),
        places["garbage"]: ("quarantine.dropped", "kim", "noise"),
        places["no_tenant"]: None,
    }
    assert len([mark for mark in map(decode_mark, (each.value for each in deployment.read(AUDIT))) if mark]) == 3
    assert run(deployment, "quarantine", "replay", "--code", "unknown_source", "--yes").code == 0
    assert len(quarantined(deployment)) == 3  # nothing was put back twice, and nothing is ever taken away


def test_the_bytes_go_into_a_pipe_and_never_to_a_terminal(deployment: Deployment, worker: Worker) -> None:
    lost = event("unsubscribe.link", "u2", tenant=None, email=BO, channel="email")
    send(deployment, (lost, None, []))
    (place,) = await_place(deployment, lost)
    command = [sys.executable, "-m", "consent_stream", "quarantine", "show", place, "--raw"]
    raw = subprocess.run(command, env=deployment.environment(), capture_output=True, check=False)
    assert (raw.returncode, raw.stdout) == (0, lost)
    ours, theirs = pty.openpty()
    done = subprocess.run(command, env=deployment.environment(), stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    os.close(ours)
    assert (done.returncode, b"into a file or a pipe" in done.stderr) == (2, True)
    assert run(deployment, "quarantine", "show", "0:99999").code == 2


def await_place(deployment: Deployment, value: bytes) -> list[str]:
    await_that("it is in quarantine", lambda: any(each.value == value for each in quarantined(deployment)), 30)
    return [f"{each.partition}:{each.offset}" for each in quarantined(deployment) if each.value == value]


def bounced(ident: str, email: str, source: str = "/mta", time: str = TIME) -> bytes:
    told = orjson.loads(event("delivery.bounced", ident, source, email=email, channel="email", status="5.1.1"))
    return orjson.dumps({**told, "time": time})


def test_bounces_of_an_outage_are_undone_and_no_others(deployment: Deployment, worker: Worker) -> None:
    people = {f"p{n}@{'example.com' if n % 2 else 'example.org'}" for n in range(6)}
    grants = [granted(f"gr-{each}", each, "/edge") for each in people]
    no = event("unsubscribe.oneclick", "no-p1", email="p1@example.com", channel="email", scope="news")
    dead = bounced("dead", "p3@example.com", "/edge", "2026-02-01T12:00:00Z")
    deployment.produce([*grants, no, dead, *(bounced(f"b-{each}", each) for each in people)])
    deployment.await_settled()

    def deliverable() -> set[str]:
        with Gate(deployment.settings, channel="email", report=False) as gate:
            assert gate.wait_ready(20)
            answers = {each: gate.check(tenant="acme", email=each, scope="news").reasons for each in people}
            return {each for each, reasons in answers.items() if "undeliverable" not in reasons}

    assert deliverable() == set()
    window = ("undo-bounces", "--tenant", "acme", "--from", "1h", "--to", "0s", "--json")
    one = (*window, "--domain", "example.com", "--status", "5.1.1", "--source", "/mta")
    dry = run(deployment, *one)
    assert dry.code == 0, dry.err
    assert dry.rows[0]["by"] == [{"source": "/mta", "domain": "example.com", "status": "5.1.1", "bounces": 3}]
    addresses = dry.rows[0]["addresses"]
    assert (addresses["deliverable"], addresses["otherwise"]) == (2, 1)  # p3 was dead before
    assert (dry.rows[0]["published"], deliverable()) == (False, set())
    assert run(deployment, *one, "--yes").code == 2
    rogue = ("--as", "/rogue", "--approved-by", "kim", "--reason", "outage", "--yes")
    assert run(deployment, *one, *rogue).code == 2

    signed = ("--as", "/ops", "--approved-by", "kim", "--reason", "outage", "--yes")
    done = run(deployment, *one, *signed)
    assert done.code == 0, done.err
    assert sum(1 for each in deployment.read(EVENTS) if b'"undo-bounce:' in (each.value or b"")) == 2
    deployment.await_settled()
    assert deliverable() == {"p1@example.com", "p5@example.com"}
    again = run(deployment, *one, *signed)
    assert (again.rows[0]["addresses"]["already"], again.rows[0]["receipts"]) == (2, {})
    with Gate(deployment.settings, channel="email", report=False) as gate:
        assert gate.wait_ready(20)
        assert gate.check(tenant="acme", email="p1@example.com", scope="news").reasons == ("unsubscribed",)
    deployment.produce([bounced("real", "p5@example.com", time="2026-03-02T12:00:00Z")])
    deployment.await_settled()
    assert deliverable() == {"p1@example.com"}
