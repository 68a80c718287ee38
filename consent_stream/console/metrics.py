"""Figures of one console for on-call. No label holds anything that a client sent."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from consent_stream.console.model import Model

BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)


class Metrics:
    """In a registry of its own."""

    def __init__(self, model: Model, clock: Callable[[], int]) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "consent_console_requests_total", "Requests answered", ["resource", "status"], registry=registry
        )
        self._seconds = Histogram(
            "consent_console_seconds", "From a head to its answer", ["resource"], buckets=BUCKETS, registry=registry
        )
        self._logins = Counter(
            "consent_console_logins_total",
            "Logins by what came of them: in, refused, too_many",
            ["to"],
            registry=registry,
        )
        self._searches = Counter("consent_console_searches_total", "People looked up", registry=registry)

        def age() -> float:
            found = model.age(clock())
            return -1.0 if found is None else found

        name, what = "consent_console_figures_age_seconds", "Since Kafka told the figures; -1 when it never did"
        Gauge(name, what, registry=registry).set_function(age)

    def request(self, resource: str, status: int, seconds: float) -> None:
        """One request is answered. resource: the path of a route, `-` for none."""
        self._requests.labels(resource, str(status)).inc()
        self._seconds.labels(resource).observe(seconds)

    def login(self, to: str) -> None:
        """Somebody came `in`, was `refused`, or tried `too_many` times."""
        self._logins.labels(to).inc()

    def search(self) -> None:
        """Somebody is looked up."""
        self._searches.inc()

    def text(self) -> bytes:
        """All of it, in Prometheus' text format 0.0.4."""
        text: bytes = generate_latest(self.registry)
        return text
