"""A plain address is in `consent.events`, in what quarantine must keep byte for byte, and nowhere else."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_stream.dev.leash import leashed
from consent_stream.dev.ports import free_ports
from consent_stream.wire.topics import EVENTS, QUARANTINE, TOPICS
from tests.faults.deployment import Deployment, await_that
from tests.hostile import marked
from tests.hostile.marked import CONTACT, EMAIL, PHONE, PUNYCODE, REASON, TEXT, WORDS

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
# What a person asked for by name, with addresses in it: the list to clean and its two halves, the list to import.
ASKED_FOR = {"list.csv", "clean.csv", "removed.csv", "import.csv", "events.jsonl"}


def event(number: int, kind: str, **data: object) -> dict[str, object]:
    return {
        "specversion": "1.0", "id": f"marked-{number}", "source": "/edge", "type": f"{kind}.v1", "tenant": "acme",
        "time": "2026-03-10T12:00:00Z", "data": {"channel": "email", **data},
    }  # fmt: skip


def events() -> Iterator[bytes]:
    """Every kind of place in which a sender writes about a person; sound, refused and broken."""
    notice = {"notice": {"id": "n1", "version": 1}, "evidence": "E3", "words": WORDS, "method": "form"}
    told: list[dict[str, object]] = [
        event(1, "consent.granted", email=EMAIL, contact=CONTACT, scope="news", **notice),
        event(2, "consent.withdrawn", email=EMAIL.upper(), words=WORDS),
        event(3, "consent.withdrawn", email=PUNYCODE, contact=CONTACT),
        event(4, "sms.inbound", phone=PHONE, text=TEXT, program="alerts"),
        event(5, "delivery.bounced", email=EMAIL, status="5.1.1", words=WORDS),
        event(6, "feedback.complaint", email=EMAIL, feedback_type="abuse"),
        event(7, "subject.erasure_ordered", contact=CONTACT),
        event(8, "consent.granted", email=f"{EMAIL}@@", **notice),
        event(9, "nothing.known", email=EMAIL, words=WORDS),
        event(10, "preference.set", email=PUNYCODE, topics={"news": False}),
        event(11, "number.reassigned", phone=PHONE),
    ]
    yield from (json.dumps(each).encode() for each in told)
    yield json.dumps(told, ensure_ascii=False).encode()
    yield f'{{"email": "{EMAIL}", '.encode()
    yield base64.b64encode(EMAIL.encode())
    yield b"\xc3\x01" + EMAIL.encode()
    yield marked.packed(EMAIL)
    yield json.dumps(event(12, "consent.withdrawn", email=EMAIL, x="y" * (300 << 10))).encode()


def run(deployment: Deployment, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "consent_stream", *arguments]
    return subprocess.run(
        command, env=deployment.environment(), input=stdin.encode(), capture_output=True, timeout=60, check=False
    )


def asked(deployment: Deployment) -> dict[str, bytes]:
    """Each command that is told of a person, sound and unsound questions; output and errors by command."""
    folder = deployment.folder
    rows = f"email,name\n{EMAIL},x\n{PUNYCODE},y\n{EMAIL}@@,z\n"
    (folder / "list.csv").write_text(rows)
    (folder / "import.csv").write_text(f"email,status,date\n{EMAIL},unsubscribed,2026-01-01\n{EMAIL}@@,odd,odd\n")
    (folder / "events.jsonl").write_bytes(b"\n".join(each for each in events() if b"\n" not in each))
    person = ["--tenant", "acme", "--email", EMAIL, "--contact", CONTACT]
    commands = {
        "check": ["check", *person, "--scope", "news"],
        "check --json": ["check", *person, "--json"],
        "check of nonsense": ["check", "--tenant", "acme", "--email", f"{EMAIL}@@"],
        "check of a phone": ["check", "--tenant", "acme", "--channel", "sms", "--phone", PHONE],
        "check of a broken phone": ["check", "--tenant", "acme", "--channel", "sms", "--phone", f"x{PHONE}x"],
        "check of a bad key": ["check", "--tenant", "acme", "--key", EMAIL],
        "check at a bad time": ["check", *person, "--at", "yesterday"],
        "explain": ["explain", *person],
        "explain --json": ["explain", *person, "--json"],
        "why": ["why", *person],
        "why --json": ["why", *person, "--json"],
        "why of a bad key": ["why", "--tenant", "acme", "--key", EMAIL],
        "inspect": ["inspect", *person],
        "inspect --json": ["inspect", *person, "--json"],
        "inspect of a bad key": ["inspect", "--tenant", "acme", "--key", EMAIL],
        "tail": ["tail", "--no-follow"],
        "tail of quarantine": ["tail", "--topic", "quarantine", "--no-follow"],
        "tail of quarantine --json": ["tail", "--topic", "quarantine", "--no-follow", "--json"],
        "tail of the ledger --json": ["tail", "--topic", "ledger", "--no-follow", "--json"],
        "tail of a bad key": ["tail", "--key", EMAIL],
        "stats": ["stats"],
        "publish": ["publish", str(folder / "events.jsonl"), "--json"],
        "import": ["import", str(folder / "import.csv"), "--format", "csv", "--tenant", "acme"],
        "import --dry-run": ["import", str(folder / "import.csv"), "--format", "csv", "--tenant", "acme", "--dry-run"],
        "scrub": [
            "scrub", str(folder / "list.csv"), str(folder / "clean.csv"), "--removed", str(folder / "removed.csv"),
            "--report", str(folder / "report.json"), "--tenant", "acme", "--json",
        ],
        "late-sends": ["late-sends", "--json"],
        "undo-bounces": ["undo-bounces", "--tenant", "acme", "--from", "1h", "--to", "0s", "--json"],
        "quarantine": ["quarantine", "list", "--all", "--max", "500"],
        "quarantine --json": ["quarantine", "list", "--json"],
        "quarantine replay": ["quarantine", "replay", "--stage", "intake", "--dry-run", "--json"],
        "stop-sending": ["stop-sending", "--tenant", "acme", "--reason", REASON],
        "stops": ["stops"],
        "resume": ["resume", "--tenant", "acme", "--reason", REASON],
    }  # fmt: skip
    said = {}
    for name, arguments in commands.items():
        done = run(deployment, *arguments)
        said[name] = done.stdout + done.stderr
        assert b"Traceback" not in done.stderr, name
    for line in said["quarantine --json"].splitlines()[:-1:8]:
        shown = run(deployment, "quarantine", "show", json.loads(line)["place"])
        assert shown.returncode == 0
        said[f"quarantine show {line!r}"] = shown.stdout + shown.stderr
    return said


def asked_over_http(deployment: Deployment) -> dict[str, bytes]:
    """A sidecar with its access log, asked soundly and unsoundly, then stopped: what it answered and logged."""
    (port,) = free_ports(1)
    log = deployment.folder / "sidecar.log"
    store = deployment.folder / "sidecar-store"
    serve = ["gate", "serve", "--port", str(port), "--access-log", "--store", str(store)]
    command = leashed([sys.executable, "-m", "consent_stream", *serve])
    said: dict[str, bytes] = {}
    question = {"tenant": "acme", "email": EMAIL, "contact": CONTACT, "scope": "news"}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=deployment.environment(), stdout=out, stderr=out)
    try:

        def answers(path: str, body: bytes | None = None) -> tuple[int, bytes]:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                link.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
                answer = link.getresponse()
                return answer.status, answer.read()
            except OSError:
                return 0, b""
            finally:
                link.close()

        await_that("the sidecar answers", lambda: answers("/v1/check", json.dumps(question).encode())[0] == 200, 30)
        bodies = [
            question,
            {**question, EMAIL: 1},
            {**question, "at": EMAIL},
            {**question, "email": f"{EMAIL}@@"},
            EMAIL,
        ]
        for number, body in enumerate(bodies):
            said[f"sidecar answer {number}"] = answers("/v1/check", json.dumps(body).encode())[1]
        said["sidecar no JSON"] = answers("/v1/check", EMAIL.encode())[1]
        said["sidecar path"] = answers("/v1/qz7marked?email=qz7marked")[1]
        said["sidecar metrics"] = answers("/metrics")[1]
        said["ps"] = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    said["sidecar log"] = log.read_bytes()
    return said


def test_marked_people_are_nowhere_but_where_they_were_sent(deployment: Deployment) -> None:
    (port,) = free_ports(1)
    worker = deployment.worker("w1", "-v", "--metrics", str(port)).start().await_ready()
    deployment.produce(list(events()) * 2)
    deployment.await_settled(60)
    worker.kill()
    worker.start().await_ready()
    said = asked(deployment) | asked_over_http(deployment)
    deployment.await_settled(60)
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("GET", "/metrics")
    said["worker metrics"] = link.getresponse().read()
    assert worker.stop() == 0

    for topic in TOPICS:
        for record in deployment.read(topic):
            parts = [record.key or b"", record.value or b"", repr(record.headers).encode()]
            if topic is QUARANTINE:  # the original, byte for byte (wire §3); what is told about it is ours
                parts = [repr([each for each in record.headers if each[0].startswith("consent-error-")]).encode()]
            said[f"{topic.name}/{record.partition}/{record.offset}"] = b"\n".join(parts)
    there = {where for where in marked.leaks(said) if where.startswith(EVENTS.name + "/")}
    assert len(there) > 20, "the search finds them where they are"
    found = marked.leaks((where, raw) for where, raw in said.items() if where not in there)
    found |= marked.leaks(marked.files(deployment.folder, ASKED_FOR))
    assert found == {}


@pytest.mark.parametrize("mark", marked.MARKS)
def test_the_search_finds_every_form(mark: str) -> None:
    for form in (mark, mark.upper(), mark[::-1], repr(mark), ascii(mark)):
        assert marked.found_in(b"x " + form.encode() + b" y"), form
    for start in range(3):
        assert marked.found_in(base64.b64encode(b"x" * start + mark.encode() + b"yz")), start
    assert marked.found_in(b"head" + marked.packed(mark))
    assert not marked.found_in(os.urandom(100_000).replace(mark.encode(), b""))
