"""Figures of one edge for on-call. No label holds anything that a client sent."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from consent_stream.edge.spool import Spool

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

    def of_spool(self, spool: Spool, clock: Callable[[], int]) -> None:
        """Show how a spool stands when somebody looks. clock: µs."""

        def oldest() -> float:
            at = spool.oldest
            return 0.0 if at is None else max(0, clock() - at) / 1e6

        name, what = "consent_edge_spool_oldest_seconds", "Age of the oldest event on the disk; 0 when there is none"
        Gauge(name, what, registry=self.registry).set_function(oldest)
        Gauge("consent_edge_spool_bytes", "Of events on the disk", registry=self.registry).set_function(
            lambda: spool.size
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
