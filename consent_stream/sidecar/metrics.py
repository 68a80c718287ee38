"""Counters for on-call, and how each gate stands when somebody looks. No label holds anything that a client sent."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from consent_stream.gate import Verdict
from consent_stream.monitoring.gates import Standing
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
        registry.register(Standing(gates.by_channel))

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
