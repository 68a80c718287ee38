"""How gates stand, for Prometheus: asked when somebody looks, for gates keep their own figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from consent_stream.gate import Gate

# name → (what, field of `Status`); one that is None has no sample
GAUGES = {
    "consent_gate_ready": ("1 while answers are given", "ready"),
    "consent_gate_entries": ("Keys with a row", "entries"),
    "consent_gate_staleness_seconds": ("Age of what is enforced; absent while unknown", "settled_staleness"),
    "consent_gate_generation": ("Generation of the list that is obeyed", "generation"),
    "consent_gate_clock_behind_seconds": ("How far a writer's clock is before ours", "clock_behind"),
}


class Standing:
    """A collector over gates by channel. The only label values are channels and names of alarms."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks."""
        found = {channel: gate.status() for channel, gate in self._gates.items()}
        for name, (what, field) in GAUGES.items():
            gauge = GaugeMetricFamily(name, what, labels=["channel"])
            for channel, status in found.items():
                if (value := attrgetter(field)(status)) is not None:
                    gauge.add_metric([channel], float(value))
            yield gauge
        left = GaugeMetricFamily("consent_gate_read_left", "Records of the list still to read", labels=["channel"])
        for channel, gate in self._gates.items():
            taken, ahead = gate.progress()
            left.add_metric([channel], max(0, ahead - taken))
        yield left
        alarms = CounterMetricFamily("consent_gate_alarms", "What came that should not", labels=["channel", "alarm"])
        for channel, status in found.items():
            for alarm, count in status.alarms.items():
                alarms.add_metric([channel, alarm], count)
        yield alarms
