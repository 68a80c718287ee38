"""P1: one keyed max-merge stage, six engines, one broker, interleaved laps, one state that all must reach."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.digest import state_digest
from benchmarks.environments import module_command, quix_command, rival_environment, say, streams_command
from benchmarks.gauges import Ends
from benchmarks.lap_timing import LapFailed, Rider, Timing, time_lap
from benchmarks.race_input import MILESTONES, PARTITIONS, RaceInput, fill, milestone
from benchmarks.rivals.lap import Lap
from benchmarks.topics import COMPACTED, KEPT, create, delete_containing, read_all


@dataclass(frozen=True, slots=True)
class Rival:
    """`short`: its laps run on the smaller input, because it is slow; `state`: where it keeps what it knows."""

    label: str
    state: str
    command: Callable[[], list[str]]
    option: str
    short: bool = False


RIVALS = (
    Rival("consent_stream.engine, fenced", "RocksDB", lambda: module_command("ours"), "fenced"),
    Rival("consent_stream.engine, unfenced", "RocksDB", lambda: module_command("ours"), "unfenced"),
    Rival("Kafka Streams, cache 0", "RocksDB", streams_command, "uncached"),
    Rival("Kafka Streams, cache 10 MB", "RocksDB", streams_command, "cached"),
    Rival("Quix Streams", "RocksDB", quix_command, "-"),
    Rival("stock Faust", "RocksDB", lambda: module_command("stock"), "rocksdb://", short=True),
    Rival("confluent-kafka loop by hand", "dict, no store", lambda: module_command("handwritten"), "-"),
)
WARM_UP = RIVALS[-1]


@dataclass(frozen=True, slots=True)
class LapResult:
    """`second_half`: events/s between the moments when half and all of the milestones were in the output."""

    rival: Rival
    events: int
    timing: Timing
    second_half: float | None
    outputs: int
    digest: str

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.timing.seconds


def race(bootstrap: str, scratch: Path, *, events: int, short_events: int, repeats: int) -> list[LapResult]:
    """All laps, interleaved and rotated so that no rival always follows the same one.

    Errors: LapFailed when a rival's final state differs from the oracle's, or a rival breaks.
    """
    say(f"P1: writing {events:,} and {short_events:,} events and computing their final states …")
    long, short = _inputs(bootstrap, events, short_events)
    results = []
    run_lap(bootstrap, scratch, WARM_UP, short, repeats)  # the broker's first group and first producer ids are slow
    for lap in range(repeats):
        start = lap % len(RIVALS)
        for rival in RIVALS[start:] + RIVALS[:start]:
            result = run_lap(bootstrap, scratch, rival, short if rival.short else long, lap)
            say(f"P1: lap {lap + 1}/{repeats} {rival.label}: {result.rate:,.0f} events/s")
            results.append(result)
    return results


def run_lap(bootstrap: str, scratch: Path, rival: Rival, given: RaceInput, lap: int) -> LapResult:
    """One lap: fresh topics, a fresh directory, a fresh group; all removed afterwards."""
    name = f"race-{lap}-{RIVALS.index(rival)}"
    output, changelog = f"{name}-out", f"{name}-state"
    create(bootstrap, {output: COMPACTED, changelog: COMPACTED}, PARTITIONS)
    folder = scratch / name
    folder.mkdir()
    ends = Ends(bootstrap)
    task = Lap(bootstrap, name, given.topic, output, changelog, PARTITIONS, folder, rival.option)
    rider = Rider(rival.command() + task.argv(), rival_environment(), scratch / f"{name}.log")
    try:
        timing = time_lap(
            rider,
            ends,
            group=name,
            source=given.topic,
            output=output,
            source_ends=ends.readable(given.topic, PARTITIONS),
        )
    except LapFailed as problem:
        raise LapFailed(f"{rival.label}, lap {lap + 1}: {problem}") from problem
    finally:
        rider.stop()
    result = _judge(bootstrap, rival, given, output, timing)
    delete_containing(bootstrap, name)
    shutil.rmtree(folder)
    return result


def _inputs(bootstrap: str, events: int, short_events: int) -> tuple[RaceInput, RaceInput]:
    create(bootstrap, {"race-events": KEPT, "race-events-short": KEPT}, PARTITIONS)
    return fill(bootstrap, "race-events", events), fill(bootstrap, "race-events-short", short_events)


def _judge(bootstrap: str, rival: Rival, given: RaceInput, output: str, timing: Timing) -> LapResult:
    """Read the output topic as any consumer would, and compare its latest values with the oracle."""
    latest: dict[bytes, bytes] = {}
    passed: dict[bytes, float] = {}
    outputs = 0
    for message in read_all(bootstrap, output, PARTITIONS):
        key = message.key()
        latest[key] = message.value()
        outputs += 1
        if milestone(key) is not None:
            passed.setdefault(key, message.timestamp()[1] / 1000)
    digest = state_digest((key, orjson.loads(value)) for key, value in latest.items())
    if digest != given.digest:
        raise LapFailed(
            f"{rival.label}: final state {digest} of {len(latest)} keys, the oracle has {given.digest} of {given.keys}"
        )
    return LapResult(rival, given.events, timing, _second_half(sorted(passed.values()), given.events), outputs, digest)


def _second_half(times: list[float], events: int) -> float | None:
    """None where an engine holds its outputs back and lets them go at once: their times then say nothing."""
    middle, end = times[MILESTONES * PARTITIONS // 2 - 1], times[-1]
    return events / 2 / (end - middle) if end - middle > 0.1 else None
