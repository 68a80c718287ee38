"""Every process at once, asked as Prometheus asks: what documents, rules and dashboards name is really told."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consent_stream.dev.leash import leashed
from consent_stream.dev.ports import free_ports
from tests.architecture.test_alerts import GROUPS, RECORDED, ROOT, TOLD, metrics
from tests.edge.process import EdgeProcess
from tests.edge.providers.test_kafka import CONFIG as PROVIDERS
from tests.faults.deployment import Deployment, await_that, deployed
from tests.monitoring.test_provisioning import PANELS

pytestmark = pytest.mark.kafka
SOON = 40.0
SECRET = "a-secret-of-tests-alone"
POLICY = (ROOT / "deploy" / "policy.toml").read_text()
CONFIG = f"""{PROVIDERS}
[mail]
listen = "127.0.0.1:{{port}}"
recipients = ["unsubscribe@example.com"]
"""
# name and labels, as a table of docs/metrics.md has them
DOCUMENTED = dict(re.findall(r"^\| `(consent_\w+)(?:\{([\w,]*)\})?` \|", TOLD, re.MULTILINE))
PROMETHEUS = re.compile(r"(ALERTS|up|process_\w+)")


class Series(NamedTuple):
    """What all processes tell. labels: by metric, of those that have a sample."""

    names: dict[str, str]  # metric → process
    labels: dict[str, set[str]]


class Process:
    """A command that prints `ready`."""

    def __init__(self, deployment: Deployment, *arguments: str) -> None:
        self._log = deployment.folder / f"{arguments[0]}-{arguments[1]}.err"
        with self._log.open("wb") as err:
            self._process = subprocess.Popen(
                leashed([sys.executable, "-m", "consent_stream", *arguments]),
                stdout=subprocess.PIPE, stderr=err, text=True, env=deployment.environment(),
            )  # fmt: skip
        self._said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line.strip())

    @property
    def ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        return "ready" in self._said

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(SOON)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(SOON)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Place(NamedTuple):
    """Where each process is asked, and the two that are ended by a test."""

    deployment: Deployment
    asked: dict[str, Callable[[], str]]
    canary: Process
    follow: Process
    late: Path


def get(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("metrics")
    worker_port, gate_port, canary_port, mail_port = free_ports(4)
    (folder / "edge.toml").write_text(CONFIG.format(port=mail_port))
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(SECRET)
    store = str(folder / "store" / "email")
    with ExitStack() as stack:
        deployment = stack.enter_context(deployed(kafka, folder, "metrics-", POLICY))
        worker = deployment.worker("w1", "--metrics", str(worker_port)).start()
        arguments = ("--without-gates", "--drain", "0", "--config", str(folder / "edge.toml"))
        edge = EdgeProcess(deployment, "edge", *arguments, HOOK=SECRET)
        console = EdgeProcess(deployment, "console", "--token", str(folder / "token"))
        sidecar = EdgeProcess(deployment, "sidecar", "serve", "--store", str(folder / "store"), "--no-follow")
        console.command, sidecar.command = "console", "gate"
        for each in (edge, console, sidecar):
            stack.callback(each.close)
        follow = Process(deployment, "gate", "follow", "--store", store, "--metrics", str(gate_port))
        stack.callback(follow.close)
        edge.start()
        console.start()
        worker.await_ready(SOON)
        await_that("the list is followed", lambda: follow.ready, SOON)
        sidecar.start()
        flags = ("--edge", edge.url, "--every", "10", "--metrics", str(canary_port))
        canary = Process(deployment, "canary", *flags)
        stack.callback(canary.close)
        deployment.produce([b"no event"])
        question = b'{"tenant":"acme","email":"ana@example.com"}'
        sidecar.ask("POST", "/v1/check", question, {"Content-Type": "application/json"})
        late = folder / "late.prom"
        asked: dict[str, Callable[[], str]] = {
            "worker": lambda: get(worker_port),
            "gate follow": lambda: get(gate_port),
            "canary": lambda: get(canary_port),
            "edge": lambda: edge.ask("GET", "/metrics").text,
            "sidecar": lambda: sidecar.ask("GET", "/metrics").text,
            "console": lambda: console.ask("GET", "/metrics").text,
        }
        yield Place(deployment, asked, canary, follow, late)


def value(text: str, name: str, **labels: str) -> float | None:
    """Of one sample."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def enforced_at(place: Place, gate: str, channel: str) -> bool:
    text = place.asked["canary"]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "consent_enforcement_seconds_count" and sample.value:
                if gate in sample.labels["gate"] and sample.labels["list"] == channel:
                    return True
    return False


def test_a_press_at_the_edge_is_enforced_at_the_gate_and_measured(place: Place) -> None:
    await_that("it listens", lambda: place.canary.ready, SOON)
    await_that("the gate enforces it", lambda: enforced_at(place, "@", "email"), SOON)
    for channel in ("email", "sms", "sharing"):
        await_that("its own gates saw it", lambda channel=channel: enforced_at(place, "(exact)", channel), SOON)
    text = place.asked["canary"]()
    assert value(text, "consent_canary_gates", state="speaking") == 1
    assert value(text, "consent_canary_presses_total", outcome="failed") == 0
    assert value(text, "consent_canary_lost") == 0
    assert (value(text, "consent_canary_last_enforced_timestamp_seconds") or 0) > 1e9
    spoke = value(place.asked["worker"](), "consent_source_last_event_timestamp_seconds", source="/edge/one-click")
    assert spoke is not None


def test_one_press_is_a_smoke_test(place: Place) -> None:
    ran = canary(place, "--once", "--patience", "30")
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"enforced at 1 of 1 gates, the slowest after \d+\.\d s\n", ran.stdout)


def canary(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consent_stream", "canary", *arguments]
    environment = place.deployment.environment()
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)


def test_a_run_of_late_sends_leaves_its_figures(place: Place) -> None:
    command = [sys.executable, "-m", "consent_stream", "late-sends", "--since", "24h", "--metrics", str(place.late)]
    ran = subprocess.run(command, env=place.deployment.environment(), capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert value(place.late.read_text(), "consent_late_sends") == 0
    assert place.late.stat().st_mode & 0o777 == 0o644


@pytest.fixture(scope="module")
def told(place: Place) -> Series:
    """All that is told by anybody, once every process has something to tell."""
    names: dict[str, str] = {}
    labels: dict[str, set[str]] = {}

    def whole() -> bool:
        texts = {process: ask() for process, ask in place.asked.items()}
        texts["late-sends"] = place.late.read_text()
        for process, text in texts.items():
            for family in text_string_to_metric_families(text):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                if name.startswith("consent_") and not name.endswith("_created"):
                    names[name] = process
                    for sample in family.samples:
                        labels.setdefault(name, set()).update(sample.labels.keys() - {"le"})
        return set(DOCUMENTED) <= set(names)

    deadline = time.monotonic() + 20
    while not whole() and time.monotonic() < deadline:
        time.sleep(0.2)  # what is lacking then, the tests say
    return Series(names, labels)


def test_what_is_documented_is_told_and_the_other_way_round(told: Series) -> None:
    assert sorted(set(DOCUMENTED) - set(told.names)) == []
    assert sorted(set(told.names) - set(DOCUMENTED)) == []


def test_labels_are_the_documented_ones(told: Series) -> None:
    wrong = {name: found for name, found in told.labels.items() if ",".join(sorted(found)) != sorted_(DOCUMENTED[name])}
    assert {name: found for name, found in wrong.items() if found} == {}


def sorted_(labels: str) -> str:
    return ",".join(sorted(labels.split(",")))


def test_rules_and_dashboards_ask_for_what_is_told(told: Series) -> None:
    expressions = [rule["expr"] for group in GROUPS for rule in group["rules"]]
    expressions += [target["expr"] for _, panel in PANELS for target in panel["targets"]]
    wanted = set().union(*map(metrics, expressions)) - set(RECORDED)
    wanted = {re.sub(r"_(bucket|sum|count)$", "", each) for each in wanted if not PROMETHEUS.fullmatch(each)}
    assert len(wanted) > 40
    assert sorted(wanted - set(told.names)) == []


def test_no_address_is_among_it(place: Place) -> None:
    for process, ask in place.asked.items():
        for line in ask().splitlines():
            assert ".invalid" not in line, process
            assert "example.com" not in line, process


def test_probes_and_a_clean_end(place: Place) -> None:
    """The last: it ends both."""
    assert place.canary.stop() == 0
    assert place.follow.stop() == 0


def test_what_a_press_leaves_is_one_row(place: Place) -> None:
    """Pressed again and again: the lists do not grow."""
    from consent_stream.wire.keys import HEARTBEAT_KEY
    from consent_stream.wire.topics import SUPPRESSION

    keys = {each.key for each in place.deployment.read(SUPPRESSION["email"]) if each.key != HEARTBEAT_KEY}
    assert 1 <= len(keys) <= 8


def test_events_of_the_canary_are_told_from_others(place: Place) -> None:
    from consent_stream.wire.ledger import decode_fact
    from consent_stream.wire.topics import LEDGER

    facts = [decode_fact(each.key, each.value or b"") for each in place.deployment.read(LEDGER)]
    assert {fact.tenant for fact in facts} == {"canary"}
    assert {fact.source for fact in facts} == {"/edge/one-click", "/canary"}
