"""Counters for on-call, and how each gate stands when somebody looks. No label holds anything that a client sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from consent_stream.gate import Verdict
from consent_stream.sidecar.answers import unanswered
from consent_stream.sidecar.gates import Gates

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 10, 60)


class Metrics:
    """The figures of one sidecar, in a registry of its own."""

    def __init__(self, gates: Gates) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "consent_sidecar_requests_total", "Requests answered", ["resource", "status"], registry=registry
        )
        self._seconds = Histogram(
            "consent_sidecar_seconds", "From a head to its answer", ["resource"], buckets=BUCKETS, registry=registry
        )
        self._answers = Counter(
            "consent_sidecar_answers_total", "Questions answered: allow, deny, unproven", ["answer"], registry=registry
        )
        registry.register(_Standing(gates))

    def request(self, resource: str, status: int, seconds: float) -> None:
        """One request is answered. resource: the path of a route, `-` for none."""
        self._requests.labels(resource, str(status)).inc()
        self._seconds.labels(resource).observe(seconds)

    def answered(self, verdicts: Iterable[Verdict]) -> None:
        """Questions are answered."""
        for verdict in verdicts:
            word = "allow" if verdict.allow else "unproven" if unanswered(verdict) else "deny"
            self._answers.labels(word).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format 0.0.4."""
        text: bytes = generate_latest(self._registry)
        return text


class _Standing:
    """A collector: asked when somebody looks, for gates keep their own figures."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates

    def collect(self) -> Iterator[Metric]:
        found = {channel: gate.status() for channel, gate in self._gates.by_channel.items()}
        gauges = {
            "consent_gate_ready": ("1 while answers are given", "ready"),
            "consent_gate_entries": ("Keys with a row", "entries"),
            "consent_gate_staleness_seconds": ("Age of what is enforced; absent while unknown", "settled_staleness"),
        }
        for name, (what, field) in gauges.items():
            gauge = GaugeMetricFamily(name, what, labels=["channel"])
            for channel, status in found.items():
                if (value := getattr(status, field)) is not None:
                    gauge.add_metric([channel], float(value))
            yield gauge
        alarms = CounterMetricFamily("consent_gate_alarms", "What came that should not", labels=["channel", "alarm"])
        for channel, status in found.items():
            for alarm, count in status.alarms.items():
                alarms.add_metric([channel, alarm], count)
        yield alarms
