"""The law on the whole path: scenarios through a worker process on a real Kafka, and a gate that is asked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from consent_stream.cli import main
from consent_stream.dev.leash import leashed
from consent_stream.through import deployment
from consent_stream.topics import SIMULATED_PREFIX

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SCENARIOS = Path(__file__).parents[1] / "scenarios"
SAMPLE = (
    "link-earlier",  # facts that are derived
    "sms-start",  # texts
    "import-proof",  # migrated grants
    "base-form-read",  # rows that a question finds by another spelling
    "reassigned-sharing",  # the list of shared purposes
    "T27",  # quarantine
    "T07",  # an event that has no time but its arrival's
    "voids-derived",  # voids that travel
)
COMMAND = [sys.executable, "-m", "consent_stream", "simulate"]


def simulate(kafka: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--through", kafka, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def left_in(kafka: str) -> list[str]:
    """Topics and groups of simulations."""
    admin = AdminClient({"bootstrap.servers": kafka})
    groups = [group.group_id for group in admin.list_consumer_groups(request_timeout=10).result().valid]
    return [name for name in (*admin.list_topics(timeout=10).topics, *groups) if name.startswith(SIMULATED_PREFIX)]


def nothing_left_in(kafka: str) -> None:
    """A broker lists a topic for moments after the controller has taken it away."""
    deadline = time.monotonic() + 5
    while left := left_in(kafka):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def only(file: str, place: Path, **fields: object) -> Path:
    """The first scenario of a file, in its given order alone, with fields changed."""
    content = json.loads((SCENARIOS / f"{file}.json").read_text(encoding="utf-8"))
    scenario = (content[0] if isinstance(content, list) else content) | {"orders": "given"} | fields
    path = place / f"{file}.json"
    path.write_text(json.dumps(scenario))
    return path


def test_a_sample_of_the_law_holds_on_kafka(kafka: str) -> None:
    files = [SCENARIOS / f"{name}.json" for name in SAMPLE]
    live = simulate(kafka, "--json", *files)
    assert (live.returncode, live.stderr) == (0, "")
    plain = subprocess.run([*COMMAND, "--json", *files], capture_output=True, text=True, timeout=60, check=True)
    # Answers, codes and the very bytes of the state are those of the run without a broker.
    assert [json.loads(line) for line in live.stdout.splitlines()] == [
        json.loads(line) for line in plain.stdout.splitlines()
    ]
    nothing_left_in(kafka)


def test_what_does_not_hold_is_told_and_exits_1(kafka: str, tmp_path: Path) -> None:
    question = json.loads((SCENARIOS / "T04.json").read_text(encoding="utf-8"))["expect"][0]
    wrong = only(
        "T04", tmp_path, expect=[question | {"allow": False, "reasons": ["stale"]}], quarantined={"g": "no_time"}
    )
    ran = simulate(kafka, wrong)
    assert ran.returncode == 1, ran.stderr
    assert "in the order given: expect[0]" in ran.stdout
    assert "allow, not deny (stale)" in ran.stdout
    assert "event 'g': not quarantined, not quarantined no_time" in ran.stdout
    assert "consent.state" not in ran.stdout
    assert "1 scenario broken of 1 scenario, 1 expectation, 1 order" in ran.stdout


def test_append_times_may_lie_ahead_of_all_clocks(kafka: str, tmp_path: Path) -> None:
    """A broker refuses what is dated more than an hour ahead, and a gate trusts no list from there, unless told."""
    ahead = only("T04", tmp_path)
    ahead.write_text(ahead.read_text().replace('"2026-', '"2096-'))
    ran = simulate(kafka, ahead)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_worker_that_ends_is_told(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "KEY_FILE", "current = 1\n")
    result = CliRunner().invoke(main, ["simulate", "--through", kafka, str(only("T04", tmp_path))])
    assert result.exit_code == 1, result.stderr
    assert "in the order given: the worker ended with code 2: " in result.stdout
    assert "no [keys]" in result.stdout
    nothing_left_in(kafka)


@pytest.mark.parametrize(
    ("ending", "seen"), [(signal.SIGINT, "-consent.events"), (signal.SIGTERM, "-consent-stream")], ids=["early", "late"]
)
def test_an_end_before_the_end_leaves_nothing(kafka: str, tmp_path: Path, ending: signal.Signals, seen: str) -> None:
    """By Ctrl-C while topics are made; by SIGTERM once a worker has joined its group."""
    files = [str(SCENARIOS / f"T{number:02}.json") for number in range(1, 10)]
    command = leashed([*COMMAND, "--through", kafka, *files])
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        deadline = time.monotonic() + 30
        while not any(name.endswith(seen) for name in left_in(kafka)):
            assert time.monotonic() < deadline, f"nothing like {seen} appears"
            time.sleep(0.1)
        assert list(tmp_path.iterdir())
        process.send_signal(ending)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    nothing_left_in(kafka)
    assert list(tmp_path.iterdir()) == []
