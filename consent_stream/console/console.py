"""What the routes of a console share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from consent_stream.console.access import Access
from consent_stream.console.metrics import Metrics
from consent_stream.console.model import Model
from consent_stream.console.search import Jobs, Reader
from consent_stream.http.limits import Limits
from consent_stream.http.service import Service

LARGEST_FORM = 16 * 1024  # bytes


def now() -> int:
    """µs since 1970."""
    return time.time_ns() // 1000


@dataclass
class Console(Service):
    """reader: of forms that ask for a person. jobs: searches."""

    model: Model
    access: Access
    jobs: Jobs[Any]
    reader: Reader
    clock: Callable[[], int] = now
    limits: Limits = field(default_factory=lambda: Limits(body=LARGEST_FORM, connections=200))

    name = "console"

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.model, self.clock)

    def ready(self) -> bool:
        """Whether it has figures to show; old ones count, for pages say how old they are."""
        with self.model.lock:
            return self.model.heard is not None and self.model.caught_up

    def answered(self, resource: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.metrics.request(resource, status, seconds)
