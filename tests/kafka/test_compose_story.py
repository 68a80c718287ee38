"""What docker-compose.yml tells Docker to do, done without Docker: its very commands, on a real Kafka, in its order."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from consent_stream.dev.leash import leashed
from consent_stream.dev.ports import free_ports

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parent.parent.parent
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
METRICS = "0.0.0.0:9464"
CONSENT_STREAM = [sys.executable, "-m", "consent_stream"]


class Compose:
    """Runs services of the compose file as processes of this machine."""

    def __init__(self, bootstrap: str, prefix: str, home: Path) -> None:
        self._home = home
        # Where Docker would mount volumes, and the one broker name that only Docker's network knows.
        self._moved = {
            "/etc/consent-stream/policy.toml": str(ROOT / "deploy" / "policy.toml"),
            "/keys/keys.toml": str(home / "keys.toml"),
            "/examples/": f"{ROOT / 'examples'}/",
        }
        self._over = {"CONSENT_BOOTSTRAP": bootstrap, "CONSENT_TOPIC_PREFIX": prefix}

    def run(self, service: str, *more: str, **options) -> subprocess.CompletedProcess[str]:
        command = [*self.command(service), *more]
        options = {"text": True, "capture_output": True, "timeout": 60, **options}
        return subprocess.run(command, env=self.environ(service), check=False, **options)

    def start(self, service: str) -> subprocess.Popen[bytes]:
        with (self._home / f"{service}.log").open("wb") as log:
            running = subprocess.Popen(
                leashed(self.command(service)), env=self.environ(service), stdout=subprocess.PIPE, stderr=log
            )
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n", (self._home / f"{service}.log").read_text()
        return running

    def first_round(self, service: str, count: int) -> list[dict[str, object]]:
        """The first `count` lines of a service that never ends."""
        running = subprocess.Popen(leashed(self.command(service)), env=self.environ(service), stdout=subprocess.PIPE)
        assert running.stdout is not None
        with running:
            try:
                return [json.loads(running.stdout.readline()) for _ in range(count)]
            finally:
                running.terminate()

    def command(self, service: str) -> list[str]:
        line = [*SERVICES[service].get("entrypoint", ["consent-stream"]), *SERVICES[service].get("command", [])]
        if line[:2] == ["sh", "-c"]:
            (found,) = re.findall(r"consent-stream ([^|;&]*)", line[2])
            line = ["consent-stream", *shlex.split(found)]
        if line[0] == "python":
            return [sys.executable, *(self._here(each) for each in line[1:])]
        return [*CONSENT_STREAM, *(self._here(each) for each in line[1:])]

    def environ(self, service: str) -> dict[str, str]:
        told = {name: self._here(value) for name, value in SERVICES[service]["environment"].items()}
        return {**os.environ, **told, **self._over, "CONSENT_DATA_DIR": str(self._home / service)}

    def _here(self, text: str) -> str:
        for there, here in self._moved.items():
            text = text.replace(there, here)
        # In containers all have the same port.
        return f"127.0.0.1:{free_ports(1)[0]}" if text == METRICS else text


def recent_events() -> str:
    """The sample events as of the last days: consent lapses after two years, and files stay longer."""
    sample = (ROOT / "deploy" / "events.jsonl").read_text()
    today = datetime.now(UTC).date()
    for written, ago in (("2026-03-01", 3), ("2026-03-02", 2)):
        assert written in sample
        sample = sample.replace(written, (today - timedelta(days=ago)).isoformat())
    return sample


def test_the_compose_file_ends_in_a_mailer_that_knows_who_said_no(kafka, prefix, tmp_path):
    compose = Compose(kafka, prefix, tmp_path)
    for each in ("keys", "topics"):
        done = compose.run(each)
        assert done.returncode == 0, done.stderr
    workers = [compose.start(each) for each in ("worker-1", "worker-2")]
    published = compose.run("publish", "--wait", "30", input=recent_events())
    assert published.returncode == 0, published.stderr
    reasons = {message["message"]: message["reasons"] for message in compose.first_round("mailer", 4)}
    assert reasons == {"m1": [], "m2": ["unsubscribed"], "m3": ["no_consent"], "m4": ["no_consent"]}
    for each in workers:
        each.terminate()
    deadline = time.monotonic() + 30
    assert [each.wait(deadline - time.monotonic()) for each in workers] == [0, 0]
