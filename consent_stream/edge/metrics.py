"""Figures of one edge for on-call. No label holds anything that a client sent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """In a registry of its own; rooms put theirs into `registry`."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "consent_edge_requests_total", "Requests answered", ["resource", "status"], registry=registry
        )
        self._seconds = Histogram(
            "consent_edge_seconds", "From a head to its answer", ["resource"], buckets=BUCKETS, registry=registry
        )
        self._events = Counter(
            "consent_edge_events_total", "Events by where they went: kafka, spool, refused", ["to"], registry=registry
        )

    def request(self, resource: str, status: int, seconds: float) -> None:
        """One request is answered. resource: the path of a route, `-` for none."""
        self._requests.labels(resource, str(status)).inc()
        self._seconds.labels(resource).observe(seconds)

    def events(self, to: str, count: int) -> None:
        """So many events went to `kafka` or `spool`, or were `refused`."""
        self._events.labels(to).inc(count)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format 0.0.4."""
        text: bytes = generate_latest(self.registry)
        return text
