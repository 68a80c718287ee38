"""What the rooms of an edge share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from consent_stream.domain.policy import Policy
from consent_stream.edge.clients import Network
from consent_stream.edge.config import Config
from consent_stream.edge.door import Door
from consent_stream.edge.metrics import Metrics
from consent_stream.edge.suspects import Watch
from consent_stream.edge.tokens import Links
from consent_stream.gate import Gate
from consent_stream.http.limits import Limits
from consent_stream.http.service import Service
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring


def now() -> int:
    """µs since 1970."""
    return time.time_ns() // 1000


@dataclass
class Edge(Service):
    """clock: µs. gates: by channel; none when it runs without. base_url: how people reach it, without a last slash.
    watch: for clicks that look like a scanner's. proxies: whose word on their clients is believed."""

    settings: Settings
    config: Config
    keys: Keyring
    policy: Policy
    door: Door
    gates: Mapping[str, Gate] = field(default_factory=dict)
    clock: Callable[[], int] = now
    metrics: Metrics = field(default_factory=Metrics)
    base_url: str = ""
    limits: Limits = field(default_factory=Limits)
    watch: Watch = field(default_factory=Watch)
    proxies: tuple[Network, ...] = ()

    name = "edge"

    def __post_init__(self) -> None:
        self.links = Links(self.keys)

    def ready(self) -> bool:
        """Whether it can take a "no": the gates are for pages and questions, and do not count."""
        return self.door.open

    def answered(self, resource: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.metrics.request(resource, status, seconds)
