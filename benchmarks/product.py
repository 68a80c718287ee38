"""P2: the whole product, and the same rules on stock Faust agents, judged by the lists that they publish."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.deployment import Deployment
from benchmarks.environments import compiled_python, module_command, rival_environment, say
from benchmarks.gauges import Ends, Usage, usage
from benchmarks.lap_timing import LAP_SECONDS, LapFailed, Rider
from benchmarks.oracle import WrongLists, check_lists
from benchmarks.product_input import ProductInput, fill
from benchmarks.rivals.lap import Lap
from benchmarks.topics import read_all
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, PARTITIONS, SUPPRESSION

OURS, STOCK = "consent-stream worker", "stock Faust agents, same rules"
COMPILED = "consent-stream worker, compiled build"
QUIET_SECONDS = 3.0  # no new fact and no change for so long: nothing follows any more
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ProductLap:
    """`seconds`: mark → the broker's append time of the last record on a list or in `consent.changes`. `facts`: records
    of the ledger, `entries`: of the lists without heartbeats; `keys`: records compared with the oracle."""

    engine: str
    events: int
    seconds: float
    cpu: float
    peak_mib: float
    facts: int
    entries: int
    changes: int
    heartbeats: int
    keys: int
    digest: str

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


@dataclass(frozen=True, slots=True)
class Course:
    """A filled deployment and what runs on it. `start(log, data_dir)` starts a process."""

    engine: str
    deployment: Deployment
    given: ProductInput
    start: Callable[[Path, Path], Rider]
    group: str


def courses(bootstrap: str, scratch: Path, *, events: int, people: int, short_events: int) -> tuple[Course, ...]:
    """Fill the inputs of both engines; the slow one gets a smaller one. Ours also runs compiled where that can be."""
    say(f"P2: writing {events:,} and {short_events:,} events and folding their final states …")
    ours = Deployment(bootstrap, scratch / "product", "p2-")
    stock = Deployment(bootstrap, scratch / "stock", "p2s-")
    for deployment in (ours, stock):
        deployment.make_topics()
    given, group = fill(ours, events, people), "p2-consent-stream"
    found = [
        Course(OURS, ours, given, ours.start_worker, group),
        Course(STOCK, stock, fill(stock, short_events, people), _stock_starter(stock), "p2s-stock"),
    ]
    if python := compiled_python():
        found.append(Course(COMPILED, ours, given, partial(ours.start_worker, python=python), group))
    else:
        say("P2: no C compiler, so no row of the compiled build")
    return tuple(found)


def _stock_starter(deployment: Deployment) -> Callable[[Path, Path], Rider]:
    def start(log: Path, data_dir: Path) -> Rider:
        lap = Lap(
            deployment.bootstrap,
            "p2s-stock",
            deployment.prefix,
            str(deployment.folder),
            "",
            PARTITIONS,
            data_dir,
            "rocksdb://",
        )
        return Rider(module_command("stock_product") + lap.argv(), rival_environment(), log)

    return start


def product(all_courses: tuple[Course, ...], scratch: Path, *, repeats: int) -> list[ProductLap]:
    """All laps, interleaved.

    Errors: LapFailed when the lists of a lap are not the oracle's, or a process breaks.
    """
    results = []
    for lap in range(repeats):
        for course in all_courses:
            result = run_lap(course, scratch)
            say(f"P2: lap {lap + 1}/{repeats} {course.engine}: {result.rate:,.0f} events/s")
            results.append(result)
    return results


def run_lap(course: Course, scratch: Path, watch: Callable[[Rider], None] = lambda rider: None) -> ProductLap:
    """One lap over all events with fresh topics, a fresh group and an empty disk. `watch` is told when it begins."""
    course.deployment.forget()
    course.deployment.make_topics()
    data_dir = scratch / "lap-data"
    rider = course.start(scratch / "lap.log", data_dir)
    try:
        samples = _await_quiet(rider, course, watch)
        code = rider.stop()
    except LapFailed as problem:
        raise LapFailed(f"{course.engine}: {problem}") from problem
    finally:
        rider.stop()
    if code != 0 and course.engine != STOCK:
        raise LapFailed(f"{course.engine} ended with {code} after SIGTERM\n{rider.last_lines()}")
    shutil.rmtree(data_dir)
    return _judge(course, rider, samples)


def _await_quiet(rider: Rider, course: Course, watch: Callable[[Rider], None]) -> list[tuple[float, Usage]]:
    """Wait until all events are committed and nothing follows; returns samples of (epoch seconds, usage)."""
    ends, prefix = Ends(course.deployment.bootstrap), course.deployment.prefix
    wanted = ends.readable(EVENTS.full(prefix), EVENTS.partitions)
    watched = [topic.full(prefix) for topic in (LEDGER, CHANGES)]
    seen: list[list[int]] = []
    moved, told, asked, deadline = time.monotonic(), False, 0.0, time.monotonic() + LAP_SECONDS
    samples: list[tuple[float, Usage]] = []
    while time.monotonic() < deadline:
        rider.check()
        samples.append((time.time(), usage(rider.pid)))
        if rider.first and not told:
            told = True
            watch(rider)
        if time.monotonic() - asked > 0.25:
            asked = time.monotonic()
            now = [ends.readable(topic, PARTITIONS) for topic in watched]
            if now != seen:
                seen, moved = now, asked
            elif asked - moved > QUIET_SECONDS and ends.reached(course.group, EVENTS.full(prefix), wanted):
                return samples
        time.sleep(SAMPLE_SECONDS)
    raise LapFailed(f"not through after {LAP_SECONDS} s\n{rider.last_lines()}")


def _judge(course: Course, rider: Rider, samples: list[tuple[float, Usage]]) -> ProductLap:
    """Read the lists as any consumer would, and compare them with the oracle."""
    bootstrap, prefix = course.deployment.bootstrap, course.deployment.prefix
    latest: dict[str, dict[bytes, bytes]] = {channel: {} for channel in SUPPRESSION}
    entries = heartbeats = changes = last = 0
    for channel, topic in SUPPRESSION.items():
        for message in read_all(bootstrap, topic.full(prefix), PARTITIONS):
            if message.key() == HEARTBEAT_KEY:
                heartbeats += 1
                continue
            entries += 1
            last = max(last, message.timestamp()[1])
            latest[channel][message.key()] = message.value()
    for message in read_all(bootstrap, CHANGES.full(prefix), PARTITIONS):
        changes += 1
        last = max(last, message.timestamp()[1])
    facts = sum(1 for _ in read_all(bootstrap, LEDGER.full(prefix), PARTITIONS))
    try:
        keys, digest = check_lists(course.given.registers, latest, course.given.policy, course.given.received)
    except WrongLists as problem:
        raise LapFailed(f"{course.engine}: {problem}") from problem
    if rider.first is None:
        raise LapFailed(f"{course.engine} never said that it began")
    began, before = rider.first
    ended = last / 1000
    then = next((use for at, use in samples if at >= ended), samples[-1][1])
    return ProductLap(
        course.engine,
        course.given.events,
        ended - began,
        then.cpu - before.cpu,
        then.peak_mib,
        facts,
        entries,
        changes,
        heartbeats,
        keys,
        digest,
    )
