"""One click is one trace, through four processes that only share records; and each of their logs is JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from consent_stream.dev.leash import leashed
from tests.edge.process import ANA, EdgeProcess, token
from tests.faults.deployment import Deployment, Worker, await_that, deployed
from tests.hostile.marked import found_in
from tests.tracing.collector import Collector, Seen, collecting

pytestmark = [pytest.mark.kafka]
POLICY = (files("consent_stream.dev") / "policy.toml").read_text()
STAGES = ["edge", "intake", "state", "list email", "gate email"]
CAME = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Follower:
    """`gate follow`, ready."""

    def __init__(self, deployment: Deployment, **environment: str) -> None:
        self.err = deployment.folder / "gate.err"
        arguments = ["gate", "follow", "--store", str(deployment.folder / "store")]
        with self.err.open("wb") as err:
            self.process = subprocess.Popen(
                leashed([sys.executable, "-m", "consent_stream", *arguments]),
                env={**deployment.environment(), **environment}, stdout=subprocess.PIPE, stderr=err, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.err.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Running:
    """An edge, a worker and a gate that leave spans at a collector."""

    def __init__(self, deployment: Deployment, collector: Collector) -> None:
        self.deployment, self.collector = deployment, collector
        told = {"CONSENT_LOG_FORMAT": "json", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        told |= {"OTEL_TRACES_SAMPLER_ARG": "1"}
        self.worker: Worker = deployment.worker("w1").start(**told).await_ready()
        self.edge = EdgeProcess(deployment, "edge", "--without-gates", "--access-log", "--drain", "0", **told).start()
        self.gate = Follower(deployment, **told)

    def close(self) -> None:
        self.edge.close()
        if self.gate.process.poll() is None:
            self.gate.stop()


@pytest.fixture(scope="module")
def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("tracing")
    with collecting() as collector, deployed(kafka, folder, "traced-", POLICY) as deployment:
        found = Running(deployment, collector)
        try:
            yield found
        finally:
            found.close()


def whole(spans: list[Seen]) -> dict[str, dict[str, Seen]]:
    """Traces with a span of each stage: trace → stage → span."""
    traces: dict[str, dict[str, Seen]] = {}
    for each in spans:
        traces.setdefault(each.trace, {})[each.name] = each
    return {trace: found for trace, found in traces.items() if set(STAGES) <= set(found)}


def test_one_click_is_one_trace_from_the_edge_to_the_gate(running: Running) -> None:
    sent = token()
    answer = running.edge.ask("POST", f"/u/{sent}", b"List-Unsubscribe=One-Click", {"traceparent": CAME})
    assert answer.status == 200
    spans = running.collector.await_that(lambda spans: bool(whole(spans)))
    ((trace, found),) = whole(spans).items()
    assert {each.trace for each in spans} == {trace}
    chain = [found[stage] for stage in STAGES]
    assert chain[0].parent == ""
    for above, below in pairwise(chain):
        assert below.parent == above.id, below
        assert above.start <= below.start, below
        assert below.start <= below.end
    assert [each.service for each in chain] == [
        "consent-edge", "consent-worker", "consent-worker", "consent-worker", "consent-gate",
    ]  # fmt: skip
    assert found["state"].end == found["list email"].end <= found["gate email"].end
    assert {each.attributes["consent.tenant"] for each in chain} == {"acme"}
    assert {each.attributes["consent.type"] for each in chain[:4]} == {"unsubscribe.oneclick"}
    places = {(each.attributes["consent.event.partition"], each.attributes["consent.event.offset"]) for each in chain}
    assert len(places) == 1
    assert found["intake"].attributes["messaging.batch.message_count"] == 1
    assert found["list email"].attributes["consent.version"] == found["gate email"].attributes["consent.version"]
    assert found["edge"].links == [tuple(CAME.split("-")[1:3])]
    raw = b"".join(running.collector.raw)
    assert not any(each in raw for each in (ANA.encode(), sent.encode(), b"m-1@mail"))


def test_a_link_belongs_to_its_own_request_alone(running: Running) -> None:
    before = len(whole(running.collector.spans))
    assert running.edge.ask("POST", f"/u/{token()}").status == 200
    running.collector.await_that(lambda spans: len([each for each in spans if each.name == "edge"]) > before)
    assert [each.links for each in running.collector.spans if each.name == "edge"][-1] == []


def test_what_is_refused_ends_its_trace_with_the_code_and_nothing_that_was_sent(running: Running) -> None:
    ((_, offset),) = running.deployment.produce([f'{{"email": "{ANA}", '.encode()])
    refused = running.collector.await_that(lambda spans: any(each.refused for each in spans))
    (seen,) = [each for each in refused if each.refused]
    assert (seen.name, seen.refused, seen.parent) == ("intake", "not_cloudevent", "")
    assert seen.attributes["consent.event.offset"] == offset
    assert not any(ANA.encode() in each for each in running.collector.raw)


def test_a_collector_that_is_away_stops_nothing_and_the_end_is_clean(running: Running) -> None:
    """Last: it ends them."""
    running.collector.status = 503
    answered = running.edge.ask("POST", f"/u/{token('bo@example.com')}")
    assert answered.status == 200
    running.deployment.await_settled(60)
    assert running.edge.stop() == 0
    assert running.worker.stop() == 0
    assert running.gate.stop() == 0


def test_every_line_of_their_logs_is_an_object_that_names_its_service(running: Running) -> None:
    """After the last: the logs are whole."""
    await_that("they have ended", lambda: not running.worker.running, 30)
    said = {"worker": running.worker.log, "edge": running.edge.log, "gate": running.gate.err.read_text()}
    lines = {name: [json.loads(each) for each in log.splitlines()] for name, log in said.items()}
    for name, found in lines.items():
        assert {each["service"] for each in found} <= {name}
        assert all({"time", "level", "logger", "message", "worker"} <= set(each) for each in found)
        assert not found_in(said[name].encode())
        assert "example.com" not in said[name]
    assert {each["logger"].partition(".")[0] for each in lines["worker"]} >= {"consent_stream", "faust", "aiokafka"}
    (restored,) = [each for each in lines["worker"] if each["logger"] == "consent_stream.engine.restore"]
    assert (restored["worker"], restored["table"], restored["records"]) == ("w1", "consent-state", 0)
    clicks = [each for each in lines["edge"] if each.get("resource") == "/u/{token}"]
    assert [each["status"] for each in clicks] == [200, 200, 200]
