"""Figures of the canary. No label holds an address: gates, lists, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from consent_stream.monitoring.canary import Canary, Enforced, Name

BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300)


class Metrics:
    """In a registry of its own. clock: the steady one of the canary; wall: seconds since the epoch at its instants.

    lock: to be held while the canary is changed, for another thread asks it when Prometheus does.
    """

    def __init__(self, canary: Canary, clock: Callable[[], float], wall: Callable[[float], float]) -> None:
        self.registry = registry = CollectorRegistry()
        self._seconds = Histogram(
            "consent_enforcement_seconds",
            "From before a press until a gate is known to enforce it",
            ["gate", "list"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._presses = Counter(
            "consent_canary_presses_total", "Presses by outcome: accepted, failed, held", ["outcome"], registry=registry
        )
        for outcome in ("accepted", "failed", "held"):
            self._presses.labels(outcome)
        self._told: set[Name] = set()
        self.lock = Lock()
        ProcessCollector(registry=registry)
        registry.register(_Standing(canary, clock, wall, self.lock))

    def enforced(self, found: Enforced) -> None:
        """A gate enforces a press."""
        self._told.add(found.name)
        self._seconds.labels(*found.name).observe(found.seconds)

    def press(self, outcome: str) -> None:
        """accepted: answered 200, or in Kafka. failed: refused, or no answer. held: every address is on its way."""
        self._presses.labels(outcome).inc()

    def keep(self, names: set[Name]) -> None:
        """Forget the gates that are no more: hosts come and go, and series must not pile up."""
        for name in self._told - names:
            self._seconds.remove(*name)
        self._told &= names


class _Standing:
    def __init__(self, canary: Canary, clock: Callable[[], float], wall: Callable[[float], float], lock: Lock) -> None:
        self._canary, self._clock, self._wall, self._lock = canary, clock, wall, lock

    def collect(self) -> list[Metric]:
        """As prometheus_client asks."""
        with self._lock:
            return list(self._standing(self._clock()))

    def _standing(self, now: float) -> Iterator[Metric]:
        canary = self._canary
        owed = GaugeMetricFamily(
            "consent_canary_unenforced", "Presses that a gate should enforce by now", labels=["gate", "list"]
        )
        for name, count in canary.unenforced(now).items():
            owed.add_metric(list(name), count)
        yield owed
        gates = GaugeMetricFamily("consent_canary_gates", "Gates known: speaking, silent", labels=["state"])
        for state, count in canary.states(now).items():
            gates.add_metric([state], count)
        yield gates
        yield GaugeMetricFamily(
            "consent_canary_lost", "Presses answered that are not in the ledger by now", canary.lost(now)
        )
        last = GaugeMetricFamily(
            "consent_canary_last_enforced_timestamp_seconds", "When the newest press was made that every gate enforces"
        )
        if canary.last is not None:
            last.add_metric([], self._wall(canary.last))
        yield last
