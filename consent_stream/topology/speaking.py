"""When each source was last heard, and how far each stage is behind: for on-call, as Prometheus collects it.

1. Sources are those of the policy alone: a stranger may write any name, and must not make a time series of it.
2. A source speaks by an event that says something: what is quarantined, or changes nothing, is no sign of its health.
3. Times are Kafka's append times. A lag grows by itself while nothing is proven, also when the pulse has stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

SPOKE = "consent_source_last_event_timestamp_seconds"
LAG = "consent_lag_seconds"


class Speaking:
    """A collector of the append time of the last event of each source that this process took in."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def heard(self, spoke: Mapping[str, int], registered: Container[str]) -> None:
        """What one slice said. Shapes: source → append time in ms; `registered` holds the sources of the policy."""
        for source, at in spoke.items():
            if source in registered:
                self._last[source] = max(at, self._last.get(source, at))

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks."""
        gauge = GaugeMetricFamily(
            SPOKE, "Append time of the last event of a source that said something", labels=["source"]
        )
        for source, at in list(self._last.items()):
            gauge.add_metric([source], at / 1000)
        yield gauge


class Lags:
    """A collector of how old the oldest instant is up to which a stage has applied its own partitions."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._through: dict[str, int] = {}

    def proven(self, stage: str, through: Iterable[int]) -> None:
        """Up to when each partition is applied (µs). None at all: this process has no say about the stage."""
        instants = list(through)
        if instants:
            self._through[stage] = min(instants)
        else:
            self._through.pop(stage, None)

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks."""
        gauge = GaugeMetricFamily(LAG, "Age of what a stage has applied, at its worst partition", labels=["stage"])
        for stage, through in list(self._through.items()):
            gauge.add_metric([stage], max(0.0, self._clock() - through / 1e6))
        yield gauge
