"""P5 and P7: what a check costs, what a list costs on disk, and how soon a gate is ready."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.deployment import Deployment, says_ready
from benchmarks.environments import say
from benchmarks.gate_asking import digest, numbers
from benchmarks.gate_input import Template, beating, fill, template_of, templates
from benchmarks.lap_timing import LapFailed, Rider
from consent_stream.dev.leash import leashed

READY_SECONDS = 600
KINDS = ("memory", "reader")
NOBODY = ("no_consent",)


@dataclass(frozen=True, slots=True)
class StoreLap:
    """`cold`, `warm`, `empty`: seconds from the start of `gate follow` to `ready`, on an empty disk, on its own store,
    and on an empty disk with an empty list. `size`: bytes of the store. `peak_mib`: of the cold start."""

    entries: int
    cold: float
    warm: float
    empty: float
    size: int
    peak_mib: float

    @property
    def rate(self) -> float:
        """Entries per second that the list added to the start."""
        return self.entries / max(self.cold - self.empty, 0.001)


@dataclass(frozen=True, slots=True)
class AskLap:
    """Microseconds: percentiles of single questions by address and by subject key, means of many at once."""

    kind: str
    email: tuple[float, float]
    key: tuple[float, float]
    one_by_one: float
    many: float
    sift: float
    digest: str


def gate(
    bootstrap: str, scratch: Path, *, entries: int, questions: int, repeats: int
) -> tuple[list[StoreLap], list[AskLap]]:
    """Laps of the store and of asking. Errors: LapFailed when an answer is wrong or a process breaks."""
    deployment = Deployment(bootstrap, scratch / "gate", "p7-")
    deployment.make_topics()
    made = templates(time.time_ns() // 1000)
    store = scratch / "gate-store"
    fill(deployment, 0, made)
    with beating(deployment):
        empty = sorted(_start(deployment, scratch, store)[0] for _ in range(repeats))[repeats // 2]
        say(f"P7: writing {entries:,} rows …")
        fill(deployment, entries, made)
        stores = [_store_lap(deployment, scratch, store, entries, empty) for _ in range(repeats)]
        for lap in stores:
            say(f"P7: {lap.rate:,.0f} entries/s, {lap.size / entries:.0f} bytes an entry, warm {lap.warm:.2f} s")
        asks = [
            lap for kind in KINDS for lap in _ask(deployment, scratch, store, kind, made, entries, questions, repeats)
        ]
    shutil.rmtree(store, ignore_errors=True)
    return stores, asks


def _store_lap(deployment: Deployment, scratch: Path, store: Path, entries: int, empty: float) -> StoreLap:
    cold, rider = _start(deployment, scratch, store, keep=True)
    warm, _ = _start(deployment, scratch, store, keep=True, again=True)
    size = sum(each.stat().st_size for each in store.rglob("*") if each.is_file())
    return StoreLap(entries, cold, warm, empty, size, rider.first[1].peak_mib if rider.first else 0.0)


def _start(
    deployment: Deployment, scratch: Path, store: Path, *, keep: bool = False, again: bool = False
) -> tuple[float, Rider]:
    """Start the follower, wait for `ready`, stop it: seconds, and its process."""
    if not again:
        shutil.rmtree(store, ignore_errors=True)
    began = time.time()
    rider = _follower(deployment, scratch, store)
    try:
        _await_ready(rider)
    finally:
        code = rider.stop()
    if code != 0:
        raise LapFailed(f"P7: gate follow ended with {code} after SIGTERM\n{rider.last_lines()}")
    assert rider.first is not None
    if not keep:
        shutil.rmtree(store, ignore_errors=True)
    return rider.first[0] - began, rider


def _follower(deployment: Deployment, scratch: Path, store: Path) -> Rider:
    command = [sys.executable, "-m", "consent_stream", "gate", "follow", "--store", str(store)]
    link = {"CONSENT_BOOTSTRAP": deployment.bootstrap, "CONSENT_TOPIC_PREFIX": deployment.prefix}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    return Rider(command, {**environment, **link}, scratch / "follow.log", says_ready)


def _await_ready(rider: Rider) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while rider.first is None:
        rider.check()
        if time.monotonic() > deadline:
            raise LapFailed(f"P7: not ready after {READY_SECONDS} s\n{rider.last_lines()}")
        time.sleep(0.005)


def _ask(
    deployment: Deployment,
    scratch: Path,
    store: Path,
    kind: str,
    made: list[list[Template]],
    entries: int,
    questions: int,
    repeats: int,
) -> Iterator[AskLap]:
    """`repeats` laps of one mailer process: with a replica in its own memory, or reading the follower's store."""
    where: dict[str, Any] = {"keys": str(deployment.settings.keys), "topic_prefix": deployment.prefix}
    follower = None
    if kind == "reader":
        where |= {"store": str(store), "follow": False}
        follower = _follower(deployment, scratch, store)
        _await_ready(follower)
    else:
        where["bootstrap"] = deployment.bootstrap
    asked = {"gate": where, "entries": entries, "questions": questions, "laps": repeats}
    command = leashed([sys.executable, "-m", "benchmarks.gate_asking", json.dumps(asked)])
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS)
    finally:
        if follower is not None:
            follower.stop()
    if ran.returncode != 0:
        raise LapFailed(f"P5: the mailer ended with {ran.returncode}\n{ran.stderr[-2000:]}")
    for lap, line in enumerate(ran.stdout.splitlines()[2:], 1):  # behind `ready` and the lap that warms up
        told = json.loads(line)
        wanted = digest(_wanted(n, made, entries) for n in numbers(entries, questions, lap))
        if {each["digest"] for each in told.values()} != {wanted}:
            raise LapFailed(f"P5: {kind}: answers other than those of the rules")
        by_email, by_key = ((told[by]["p50"], told[by]["p99"]) for by in ("email", "key"))
        yield AskLap(
            kind, by_email, by_key, told["one_by_one"]["mean"], told["many"]["mean"], told["sift"]["mean"], wanted
        )
        say(f"P5: {kind}: by address p50 {told['email']['p50']:.1f} µs, by key {told['key']['p50']:.1f} µs")


def _wanted(n: int, made: list[list[Template]], entries: int) -> tuple[str, ...]:
    return template_of(n, made).reasons if n < entries else NOBODY
