"""Spans reach a collector when there is one, and nobody waits when there is none."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from consent_stream.settings import Settings
from consent_stream.tracing import Span, Traces
from consent_stream.tracing.names import Sampling, span_id, trace_id
from consent_stream.tracing.traces import MOST_WAITING, Service
from tests.tracing.collector import Collector, collecting

NOWHERE = "http://127.0.0.1:9"  # the discard service: nothing listens there


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def traces_to(endpoint: str, cluster: list[str | None]) -> Traces:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    service = Service("consent.events", {"service.name": "consent-worker"})
    return Traces(Sampling(1), service, OTLPSpanExporter(f"{endpoint}/v1/traces"), lambda: cluster[0])


def span(offset: int = 5, **more: object) -> Span:
    told = {"stage": "intake", "name": ("intake",), "parent": ("edge",), "start": 1000, "end": 2000}
    return Span(place=(3, offset), attributes={"consent.tenant": "acme"}, **{**told, **more})  # type: ignore[arg-type]


def test_a_span_arrives_with_ids_parent_instants_and_attributes(collector: Collector) -> None:
    traces = traces_to(collector.endpoint, ["k"])
    link = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traces.add(span(seen_with=link, code="bad_json"))
    traces.close()
    (seen,) = collector.spans
    trace = trace_id("k", "consent.events", (3, 5))
    assert seen.trace == f"{trace:032x}"
    assert (seen.id, seen.parent) == tuple(f"{span_id(trace, (each,)):016x}" for each in ("intake", "edge"))
    assert (seen.service, seen.name, seen.start, seen.end) == ("consent-worker", "intake", 1000, 2000)
    assert seen.attributes == {
        "messaging.system": "kafka", "consent.event.partition": 3, "consent.event.offset": 5, "consent.tenant": "acme",
    }  # fmt: skip
    assert seen.links == [tuple(link.split("-")[1:3])]
    assert seen.refused == "bad_json"


def test_spans_wait_until_kafka_has_said_which_cluster_it_is(collector: Collector) -> None:
    cluster: list[str | None] = [None]
    traces = traces_to(collector.endpoint, cluster)
    traces.add(span())
    time.sleep(1.2)
    assert collector.spans == []
    cluster[0] = "k"
    collector.await_that(bool)
    traces.close()


def test_a_collector_that_is_away_delays_nothing_and_what_is_too_much_is_dropped() -> None:
    traces = traces_to(NOWHERE, ["k"])
    began = time.perf_counter()
    for offset in range(MOST_WAITING * 2):
        traces.add(span(offset))
    assert time.perf_counter() - began < 2
    assert traces.dropped > 0
    began = time.perf_counter()
    traces.close()
    assert time.perf_counter() - began < 10


def test_a_collector_that_refuses_stops_nothing(collector: Collector) -> None:
    collector.status = 400
    traces = traces_to(collector.endpoint, ["k"])
    traces.add(span(1))
    time.sleep(1.5)
    collector.status = 200
    traces.add(span(2))
    traces.close()
    assert [each.attributes["consent.event.offset"] for each in collector.spans] == [2]


def test_traces_are_off_without_an_endpoint_and_a_wrong_ratio_is_one_line() -> None:
    def made(**environ: str) -> Traces | None:
        return Traces.from_environment(Settings(), "worker", environ)

    assert made() is None
    assert made(OTEL_EXPORTER_OTLP_ENDPOINT=NOWHERE, OTEL_TRACES_SAMPLER_ARG="0") is None
    assert made(OTEL_EXPORTER_OTLP_ENDPOINT=NOWHERE, OTEL_SDK_DISABLED="true") is None
    for wrong in ("2", "many", "nan"):
        with pytest.raises(ValueError, match=f"OTEL_TRACES_SAMPLER_ARG: '{wrong}' is no number from 0 to 1"):
            made(OTEL_EXPORTER_OTLP_ENDPOINT=NOWHERE, OTEL_TRACES_SAMPLER_ARG=wrong)


def test_opentelemetry_is_not_imported_while_traces_are_off() -> None:
    code = (
        "import sys\nimport consent_stream.topology.app, consent_stream.edge.traced, consent_stream.gate\n"
        "from consent_stream.settings import Settings\nfrom consent_stream.tracing import Traces\n"
        "assert Traces.from_environment(Settings(), 'worker', {}) is None\n"
        "print([each for each in sys.modules if each.startswith('opentelemetry')])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
