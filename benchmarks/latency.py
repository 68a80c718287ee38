"""P4: from Kafka's yes to an unsubscribe until a gate in another process says no, while other events keep coming."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import orjson
from confluent_kafka import Producer

from benchmarks.deployment import Deployment
from benchmarks.environments import say
from benchmarks.lap_timing import LapFailed
from benchmarks.population import instant, records
from consent_stream.dev.leash import leashed
from consent_stream.wire.topics import EVENTS

TENANT = "t0"
READY_SECONDS = 60
ENFORCED_SECONDS = 30
PAUSE = 0.05  # seconds between two unsubscribes: they fall anywhere into a worker's slices
WARM_UP = 20  # unsubscribes that are not counted: the first records of a connection take longer


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the broker's append time (whole milliseconds, rounded down) to the gate's first no."""

    load: int  # other events a second
    milliseconds: tuple[float, ...]

    def at(self, share: float) -> float:
        """A quantile, by rank."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def latency(bootstrap: str, scratch: Path, *, probes: int, load: int) -> Latency:
    """One worker, one gate, `probes` people who consented and unsubscribe one after the other.

    Errors: LapFailed when somebody may not be mailed before, or still may 30 s after.
    """
    deployment = Deployment(bootstrap, scratch / "latency", "p4-")
    deployment.make_topics()
    worker = deployment.start_worker(scratch / "latency.log", scratch / "latency-data")
    try:
        people = [f"probe{number}@example.com" for number in range(probes + WARM_UP)]
        producer = Producer(deployment.settings.producer(**{"linger.ms": 0}))
        for person in people:
            producer.produce(EVENTS.full(deployment.prefix), _event("consent.granted", person))
        producer.flush(30)
        with _Gate(deployment) as gate, _Load(deployment, load):
            for person in people:
                gate.await_allowed(person)
            found = [_probe(deployment, producer, gate, person) for person in people]
        worker.check()
    finally:
        worker.stop()
    counted = tuple(found[WARM_UP:])
    say(f"P4: {probes} unsubscribes: median {median(counted):.1f} ms, most {max(counted):.0f} ms")
    return Latency(load, counted)


def _probe(deployment: Deployment, producer: Producer, gate: _Gate, person: str) -> float:
    appended: list[int] = []
    gate.watch(person)
    producer.produce(
        EVENTS.full(deployment.prefix),
        _event("unsubscribe.oneclick", person),
        on_delivery=lambda _, message: appended.append(message.timestamp()[1]),
    )
    producer.flush(10)
    denied = gate.denied()
    time.sleep(PAUSE)
    return denied / 1e6 - appended[0]


def _event(kind: str, person: str) -> bytes:
    notice = {"id": "n1", "version": 3}
    data = {"email": person, "channel": "email", "scope": "news", "evidence": "E3", "notice": notice}
    return orjson.dumps({
        "specversion": "1.0", "id": f"{kind}-{person}", "source": "/forms", "type": f"{kind}.v1", "tenant": TENANT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "data": data,
    })  # fmt: skip


class _Load:
    """`load` events a second from the benchmark's population, on a thread."""

    def __init__(self, deployment: Deployment, load: int) -> None:
        self._topic, self._load = EVENTS.full(deployment.prefix), load
        self._producer = Producer(deployment.settings.producer(**{"linger.ms": 0}))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(10)

    def _run(self) -> None:
        values: Iterator[bytes] = records(1_000_000, 50_000, instant())
        tick, due = 0.02, time.monotonic()
        while not self._stop.is_set():
            for value in islice(values, int(self._load * tick)):
                self._producer.produce(self._topic, value)
            self._producer.poll(0)
            due += tick
            time.sleep(max(0.0, due - time.monotonic()))


class _Gate:
    """A process with a gate: told a person, it says when the answer has become no."""

    def __init__(self, deployment: Deployment) -> None:
        settings = deployment.settings
        told = {"bootstrap": settings.bootstrap, "keys": str(settings.keys), "topic_prefix": settings.topic_prefix}
        self._process = subprocess.Popen(
            leashed([sys.executable, "-m", "benchmarks.latency_gate", json.dumps(told)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> _Gate:
        if self._say() != "ready":
            raise LapFailed("P4: the gate did not get ready")
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def await_allowed(self, person: str) -> None:
        """Errors: LapFailed when the person may not be mailed."""
        if self._ask(f"allow {person}") != "allowed":
            raise LapFailed("P4: somebody who consented may not be mailed")

    def watch(self, person: str) -> None:
        """Look at this person's answer from now on."""
        if self._ask(f"deny {person}") != "watching":
            raise LapFailed("P4: the gate is gone")

    def denied(self) -> int:
        """When the answer became no: nanoseconds since the epoch. Errors: LapFailed when it did not."""
        word, _, at = self._say().partition(" ")
        if word != "denied":
            raise LapFailed(f"P4: an unsubscribe is not enforced after {ENFORCED_SECONDS} s")
        return int(at)

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        return self._say()

    def _say(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
