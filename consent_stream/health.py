"""What a supervisor asks a worker over HTTP: `/livez`, `/readyz`, and Prometheus' `/metrics`.

Ready: every partition that it owns is restored, and it is not between two assignments. Live: its event loop turns. A
worker that waits for Kafka is live and not ready: to restart it would not bring Kafka back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from consent_stream.monitoring import exposition

if TYPE_CHECKING:
    from consent_stream.engine import SliceApp

BEAT_S = 1.0
STUCK_S = 30.0  # a loop that has not turned for so long is stuck: three sessions of the group have passed


class Health:
    """How one worker stands. `watch` it once its app is built; until then it is live and not ready."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._app: SliceApp | None = None
        self._restored: int | None = None
        self._beat: float | None = None

    def watch(self, app: SliceApp) -> None:
        """Hear from `app` when its partitions are restored, and that its loop turns. Call it before the app runs."""
        self._app = app
        app.on_ready(self._on_ready)
        app.task(self._beats)

    def waits_for(self) -> str | None:
        """What keeps it from being ready, in a few words; None when nothing does."""
        app = self._app
        if app is None or self._restored is None:
            return "starting: Kafka, topics, or the first restore"
        if app.rebalancing or app.consumer_generation_id != self._restored:
            return "partitions have moved: not all are restored yet"
        return None

    def stuck_for(self) -> float | None:
        """Seconds since its loop last turned, if that is too long; else None."""
        since = 0.0 if self._beat is None else self._clock() - self._beat
        return since if since > STUCK_S else None

    def _on_ready(self, owned: object) -> None:
        assert self._app is not None
        self._restored = self._app.consumer_generation_id

    async def _beats(self) -> None:
        assert self._app is not None
        while not self._app.should_stop:
            self._beat = self._clock()
            await asyncio.sleep(BEAT_S)


def answer(health: Health, path: str) -> tuple[str, str]:
    """Status line and text of a probe. Shapes: `path` is /livez or /readyz."""
    if path == "/livez":
        stuck = health.stuck_for()
        return ("200 OK", "live") if stuck is None else ("503 Service Unavailable", f"loop stuck for {stuck:.0f} s")
    waits = health.waits_for()
    return ("200 OK", "ready") if waits is None else ("503 Service Unavailable", waits)


def serve(host: str, port: int, health: Health) -> int:
    """Serve probes and metrics on a thread of their own for as long as the process lives.

    Returns: the port; with 0 a free one. Errors: OSError when it cannot listen there.
    """
    from prometheus_client import REGISTRY  # the worker extra

    from consent_stream.topology.metrics import READY

    READY.set_function(lambda: health.waits_for() is None)
    return exposition.serve(host, port, REGISTRY, lambda path: answer(health, path))
