"""The sidecar on a real Kafka with a real worker, asked as docs/operating.md shows it."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import consent_stream
from tests.faults.deployment import deployed
from tests.sidecar.documented import DOCUMENT
from tests.sidecar.served import Client, Process, until

pytestmark = pytest.mark.kafka
ROOT = Path(consent_stream.__file__).parent.parent
SECTION = (ROOT / "docs" / "operating.md").read_text().partition("## Other languages: the sidecar\n")[2]
SECTION = SECTION.partition("\n## ")[0]
ANA = {"tenant": "acme", "email": "ana@example.com", "scope": "news"}


def curls():
    """The lines of the section that ask."""
    blocks = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("curl ")]


def asked(line, port):
    """What a line is answered: status and body. As curl itself does it, where it is installed."""
    line = line.replace("localhost:8765", f"localhost:{port}")
    words = shlex.split(line)
    (url,) = (word for word in words if word.startswith("http://"))
    headers = dict(words[at + 1].split(": ") for at, word in enumerate(words) if word == "-H")
    bodies = [words[at + 1].encode() for at, word in enumerate(words) if word == "-d"]
    target = "/" + url.split("/", 3)[3]
    client = Client(port)
    answer = client.ask("POST" if bodies else "GET", target, bodies[0] if bodies else None, headers)
    client.close()
    if shutil.which("curl"):
        command = ["bash", "-c", line + r" -w '\n%{http_code}'"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        body, _, status = told.rpartition("\n")
        assert int(status) == answer.status
        assert json.loads(body).keys() == answer.said.keys()
    return answer.status, answer.said


@pytest.fixture(scope="module")
def deployment(kafka, tmp_path_factory):
    policy = (ROOT / "consent_stream" / "dev" / "policy.toml").read_text()
    with deployed(kafka, tmp_path_factory.mktemp("sidecar"), "sidecar-", policy) as found:
        yield found


def publish(deployment, file):
    """Its receipts, each as PARTITION:OFFSET."""
    ran = subprocess.run(
        [sys.executable, "-m", "consent_stream", "publish", ROOT / "examples" / file, "--json"],
        capture_output=True, env=deployment.environment(), timeout=60, check=True,
    )  # fmt: skip
    receipts = [json.loads(line) for line in ran.stdout.splitlines()]
    return [f"{each['partition']}:{each['offset']}" for each in receipts]


def enforced(client, receipts):
    return all(client.get(f"/v1/receipts/{each}?wait=20").said["enforced"] for each in receipts)


def test_it_answers_as_documented_obeys_a_withdrawal_and_says_nothing_without_a_worker(deployment, tmp_path):
    worker = deployment.worker("w1").start().await_ready()
    first = publish(deployment, "events.jsonl")
    arguments = ["--channel", "email", "--channel", "sms", "--store", tmp_path, "--port", 0, "--staleness-limit", 3]
    with Process(*arguments, environment=deployment.environment()) as process:
        client = process.client()
        assert process.line() == "ready"
        assert enforced(client, first)

        one, batch, receipt, status, readyz = (
            asked(line.replace("/0:0", f"/{first[0]}"), client.port) for line in curls()
        )
        assert {each[0] for each in (one, batch, receipt, status, readyz)} == {200}
        assert (one[1]["allow"], one[1]["facts"]) == (True, ["e1"])
        assert [each["allow"] for each in batch[1]["answers"]] == [True, False]
        assert batch[1]["answers"][1]["reasons"] == ["sms_stop"]
        assert (receipt[1]["receipt"], receipt[1]["enforced"]) == (first[0], True)
        assert list(status[1]["gates"]) == ["email", "sms"]
        (shown,) = re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
        assert list(json.loads(shown)) == list(one[1])

        assert enforced(client, publish(deployment, "unsubscribe.jsonl"))
        answer = client.check(ANA)
        assert (answer.status, answer.said["reasons"], answer.said["facts"]) == (200, ["unsubscribed"], ["e7"])

        assert worker.stop() == 0
        assert until(lambda: client.check(ANA).status == 503)
        assert client.check(ANA).said["reasons"] == ["stale", "unsubscribed"]
        assert client.get("/readyz").status == 503
        worker.start().await_ready()
        assert until(lambda: client.check(ANA).status == 200)
        assert process.end() == (0, "")


def test_the_section_tells_every_status_of_a_check():
    told = set(re.findall(r"\b[245]\d\d\b", SECTION.partition("| status |")[2].partition("\n\n")[0]))
    described = set(DOCUMENT["paths"]["/v1/check"]["post"]["responses"])
    assert {"200", "503", "429", "400", "413", "415"} <= told <= described
