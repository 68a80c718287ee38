"""What is seen of a soak every two seconds, and what its slopes are in the end."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.topics import EVENTS, SUPPRESSION
from consent_stream.wire.vector import Heartbeat, decode_heartbeat
from tests.faults.deployment import Deployment

EVERY_S = 2.0
WINDOW_S = 30.0  # of a window the least value counts: what a fault costs for some seconds is no slope
Point = tuple[float, float]  # seconds since the start, value


@dataclass
class Series:
    """Samples of one thing."""

    unit: str
    points: list[Point] = field(default_factory=list)

    @property
    def worst(self) -> float:
        return max((value for _, value in self.points), default=0.0)

    @property
    def middle(self) -> float:
        return median(value for _, value in self.points) if self.points else 0.0

    def slope(self, floor: bool = False) -> float:
        """Per hour, by least squares over the last two thirds. floor: of the least value of each window."""
        if not self.points:
            return 0.0
        last = self.points[-1][0]
        kept = [point for point in self.points if point[0] >= last / 3]
        if floor:
            least: dict[int, Point] = {}
            for at, value in kept:
                window = int(at / WINDOW_S)
                least[window] = min(least.get(window, (at, value)), (at, value), key=lambda each: each[1])
            kept = list(least.values())
        if len(kept) < 3:
            return 0.0
        return linear_regression([at for at, _ in kept], [value for _, value in kept]).slope * 3600


def resident_mib(pid: int) -> float | None:
    """Of a process, None when it is gone. Linux."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return None


def disk_mib(folder: Path) -> float:
    """Of everything below a folder that others write to meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total / (1 << 20)


def staleness(address: str) -> float | None:
    """Of the worst list of a sidecar, in seconds; None when it does not answer."""
    with suppress(OSError):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=1) as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.split()[-1]) for line in lines if line.startswith("consent_gate_staleness_seconds{")]
        if found:
            return max(found)
    return None


class Lag:
    """How long ago the events were there of which all is applied by now, in seconds."""

    def __init__(self, deployment: Deployment) -> None:
        self._events = EVENTS.full(deployment.prefix)
        name = SUPPRESSION["email"].full(deployment.prefix)
        self._owners = set(deployment.ends(SUPPRESSION["email"]))
        self._partitions = list(deployment.ends(EVENTS))
        self._admin = AdminClient({**deployment.settings.librdkafka(), "log_level": 2})
        self._beats = Consumer(deployment.settings.consumer(**{"group.id": "tests-unused", "log_level": 2}))
        self._beats.assign([TopicPartition(name, q, 0) for q in self._owners])
        self._latest: dict[int, Heartbeat] = {}
        self._there: deque[tuple[float, int]] = deque()  # when, events

    def look(self) -> float | None:
        """Now; None while Kafka is away. Errors: none."""
        now = time.monotonic()
        try:
            asked = self._admin.list_offsets(
                {TopicPartition(self._events, p): OffsetSpec.latest() for p in self._partitions}, request_timeout=2
            )
            self._there.append((now, sum(each.result(3).offset for each in asked.values())))
            while messages := self._beats.consume(10_000, 0.05):
                for message in messages:
                    if message.error() is None and message.key() == HEARTBEAT_KEY:
                        self._latest[message.partition()] = decode_heartbeat(message.value())
        except (KafkaException, TimeoutError):
            # The leaders that the client knows may be of before the restart: librdkafka asks for them again only so.
            with suppress(KafkaException):
                self._admin.list_topics(self._events, timeout=2)
            return None
        applied = self._applied()
        while len(self._there) > 1 and self._there[1][1] <= applied:
            self._there.popleft()
        return now - self._there[0][0] if self._there[0][1] < applied or len(self._there) > 1 else 0.0

    def _applied(self) -> int:
        if self._latest.keys() != self._owners:
            return 0
        beats = self._latest.values()
        return sum(min(b.settled[p].offset if p in b.settled else 0 for b in beats) for p in self._partitions)


class Watch:
    """Samples on a thread, until the block ends."""

    def __init__(
        self, deployment: Deployment, pids: Callable[[], Mapping[str, int]], gates: Mapping[str, str], folder: Path
    ) -> None:
        self.rss: dict[str, Series] = {}
        self.stale: dict[str, Series] = {name: Series("s") for name in gates}
        self.lag, self.disk = Series("s"), Series("MiB")
        self.unanswered = 0
        self._pids, self._gates, self._folder, self._lag = pids, gates, folder, Lag(deployment)
        self._began, self._over = time.monotonic(), threading.Event()
        self._failed: list[Exception] = []
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Errors: what ended the sampling."""
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            while not self._over.wait(EVERY_S):
                self._sample()
        except Exception as error:
            self._failed.append(error)

    def _sample(self) -> None:
        at = time.monotonic() - self._began
        for name, pid in self._pids().items():
            if (mib := resident_mib(pid)) is not None:
                self.rss.setdefault(name, Series("MiB")).points.append((at, mib))
        for name, address in self._gates.items():
            if (age := staleness(address)) is not None:
                self.stale[name].points.append((at, age))
            else:
                self.unanswered += 1
        if (lag := self._lag.look()) is not None:
            self.lag.points.append((at, lag))
        self.disk.points.append((at, disk_mib(self._folder)))


@dataclass(frozen=True)
class Limits:
    """What may grow by how much an hour. slack_*: what a short run may differ by for no reason, over its window."""

    rss_mib: float = 48.0
    slack_mib: float = 48.0
    lag_s: float = 2.0
    slack_s: float = 2.0

    def broken(self, watch: Watch, steady: Iterable[str], hours: float) -> list[str]:
        """What grew by more, in words."""
        found = []
        window = hours * 2 / 3
        for name in steady:
            slope = watch.rss[name].slope()
            if slope * window > max(self.slack_mib, self.rss_mib * window):
                found.append(f"{name} grows by {slope:.0f} MiB an hour")
        slope = watch.lag.slope(floor=True)
        if slope * window > max(self.slack_s, self.lag_s * window):
            found.append(f"lag grows by {slope:.1f} s an hour")
        return found
