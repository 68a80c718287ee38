"""`publish --wait`: exit 0 when every list has the events, exit 1 and the reason when not in time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.dev.leash import leashed
from consent_stream.keyfile import new_keys
from consent_stream.wire.topics import SUPPRESSION

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


@pytest.fixture
def publish(embedded, prefix):
    def run(seconds: str):
        place = ["--bootstrap", embedded, "--topic-prefix", prefix]
        return CliRunner().invoke(main, ["publish", str(DEPLOY / "events.jsonl"), *place, "--wait", seconds])

    return run


@pytest.fixture
def worker(embedded, prefix, tmp_path):
    """A worker in a process of its own, ready."""
    new_keys(tmp_path / "keys.toml")
    settings = {
        "CONSENT_BOOTSTRAP": embedded,
        "CONSENT_TOPIC_PREFIX": prefix,
        "CONSENT_POLICY": str(DEPLOY / "policy.toml"),
        "CONSENT_KEYS": str(tmp_path / "keys.toml"),
        "CONSENT_DATA_DIR": str(tmp_path / "data"),
    }
    command = leashed([sys.executable, "-m", "consent_stream", "worker"])
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **settings})
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n", (tmp_path / "log").read_text()
        yield running
        running.terminate()
        assert running.wait(20) == 0, (tmp_path / "log").read_text()


def test_events_are_enforced_once_the_worker_has_them(publish, worker):
    done = publish("20")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == "enforced\n"
    assert len(done.stdout.split()) == 4


def test_without_a_worker_it_says_which_receipt_and_list_are_late(publish):
    late = publish("0.5")
    assert late.exit_code == 1
    assert late.stderr.count("\n") == 1
    assert "not enforced in suppression.email within 0.5 s" in late.stderr
    assert any(receipt in late.stderr for receipt in late.stdout.split())


def test_each_list_must_have_them(monkeypatch, publish):
    asked = []

    def wait_for(gate, receipt, timeout):
        asked.append(repr(gate))
        return "sharing" not in repr(gate)

    monkeypatch.setattr("consent_stream.gate.Gate.wait_for", wait_for)
    assert "suppression.sharing" in publish("5").stderr
    assert all(any(name.name in each for each in asked) for name in SUPPRESSION.values())
