"""P10: unsubscribes a second that one edge takes, and that none is lost. `python -m benchmarks.edge --seconds 10`.

One `consent-stream edge`, a real Kafka beside it, clients that hold their connections and press the button of another
message as soon as the last one was answered. Then the same once more, with SIGKILL in the middle: each message whose
answer was 200 must be in `consent.events` once the edge is back and its spool empty. Exit 1 when one is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import click

from benchmarks.deployment import Deployment
from benchmarks.environments import say
from benchmarks.lap_timing import LapFailed
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.leash import leashed
from consent_stream.edge.tokens import Link, Links
from consent_stream.inspection.topicread import read
from consent_stream.wire.keys import Keyring
from consent_stream.wire.topics import EVENTS

P10 = """\
One edge process, {connections} kept connections, each pressing the next button when the last is answered; {seconds:g} s
a lap after a warm-up, Kafka and the clients on the same two cores. A 200 is given when Kafka has proven the event. Then
a lap with SIGKILL in the middle, against the same spool.
"""
RING = Keyring({0: bytes(32)})
BODY = b"List-Unsubscribe=One-Click"
HEAD = (
    "POST /u/{token} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
)
START_S, EMPTY_S, WARM_S = 60.0, 60.0, 2.0


@dataclass
class Lap:
    """What came of one lap. answered: numbers of messages whose answer was 200. ms: from press to answer."""

    seconds: float
    answered: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    others: int = 0

    def rate(self) -> float:
        """Answers of 200 a second."""
        return len(self.answered) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds that so many answers took at most."""
        found = sorted(self.ms)
        return found[min(len(found) - 1, int(share * len(found)))]


class Presser(asyncio.Protocol):
    """One connection. `next_` gives the number of a message and the bytes that press its button, None to end."""

    def __init__(self, lap: Lap, next_: Callable[[], tuple[int, bytes] | None], done: asyncio.Future[None]) -> None:
        self._lap, self._next, self._done = lap, next_, done
        self._read, self._number, self._at = b"", -1, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._press()

    def _press(self) -> None:
        found = self._next()
        if found is None:
            self._transport.close()
            return
        self._number, raw = found
        self._at = time.perf_counter()
        self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._lap.ms.append((time.perf_counter() - self._at) * 1000)
        if head.startswith(b"HTTP/1.1 200 "):
            self._lap.answered.append(self._number)
        else:
            self._lap.others += 1
        self._read = b""
        self._press()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


class Edge:
    """The process that is measured; `start` again after its end on the same port and disk."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment, self.port = deployment, 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        link = deployment.settings
        self._environment = kept | {
            "CONSENT_BOOTSTRAP": link.bootstrap, "CONSENT_TOPIC_PREFIX": link.topic_prefix,
            "CONSENT_KEYS": str(link.keys), "CONSENT_POLICY": str(link.policy), "CONSENT_DATA_DIR": str(link.data_dir),
        }  # fmt: skip

    def start(self) -> None:
        """Until it is ready."""
        command = [sys.executable, "-m", "consent_stream", "edge", "--without-gates", "--port", str(self.port)]
        with (self._deployment.folder / "edge.log").open("ab") as log:
            self.process = subprocess.Popen(
                leashed(command), env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        serving = self.process.stdout.readline()
        if not serving.startswith("serving ") or self.process.stdout.readline().strip() != "ready":
            raise LapFailed("P10: the edge did not start")
        self.port = int(serving.rpartition(":")[2])

    def end(self, how: signal.Signals) -> None:
        """Signal it, and wait."""
        self.process.send_signal(how)
        self.process.wait(START_S)

    def figure(self, name: str) -> float:
        """One of its metrics."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=START_S) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(name + " ")).rpartition(" ")[2])


def buttons(first: int) -> Iterator[tuple[int, bytes]]:
    """Messages of people, each with a number of its own."""
    links, number, issued = Links(RING), first, int(time.time())
    key = RING.subject("t0", "email", "person@example.com")
    while True:
        link = Link("t0", "email", (key[:-8] + number.to_bytes(8, "big"),), "news", f"m{number}", issued)
        yield number, HEAD.format(token=links.mint(link)).encode() + BODY
        number += 1


async def press(port: int, lap: Lap, given: Iterator[tuple[int, bytes]], connections: int) -> None:
    """Press buttons for the lap's seconds, or until the edge is gone."""
    loop = asyncio.get_running_loop()
    end = loop.time() + lap.seconds
    done = [loop.create_future() for _ in range(connections)]

    def next_() -> tuple[int, bytes] | None:
        return next(given) if loop.time() < end else None

    for each in done:
        await loop.create_connection(partial(Presser, lap, next_, each), "127.0.0.1", port)
    await asyncio.gather(*done)


def laps(bootstrap: str, scratch: Path, *, seconds: float, repeats: int, connections: int) -> dict[str, Any]:
    """Laps, then one with a kill. Errors: LapFailed when an answered message is missing."""
    deployment = Deployment(bootstrap, scratch / "edge", "p9-")
    deployment.make_topics()
    edge, given = Edge(deployment), iter(buttons(0))
    edge.start()
    try:
        found = []
        asyncio.run(press(edge.port, Lap(WARM_S), given, connections))
        for _ in range(repeats):
            lap = Lap(seconds)
            asyncio.run(press(edge.port, lap, given, connections))
            found.append(lap)
            p50, p99 = lap.percentile(0.5), lap.percentile(0.99)
            say(f"P10 edge: {lap.rate():,.0f} a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        killed = Lap(seconds)
        with _killed_in(edge, seconds / 2):
            asyncio.run(press(edge.port, killed, given, connections))
        edge.start()
        deadline = time.monotonic() + EMPTY_S
        while edge.figure("consent_edge_spool_oldest_seconds"):
            if time.monotonic() > deadline:
                raise LapFailed("P10: the spool is not emptied")
            time.sleep(0.2)
    finally:
        edge.end(signal.SIGTERM)
    answered = {number for lap in [*found, killed] for number in lap.answered}
    there = {
        int(json.loads(m.value())["data"]["message_id"][1:])
        for batch in read(deployment.settings, EVENTS)
        for m in batch
    }
    if missing := answered - there:
        raise LapFailed(f"P10: {len(missing)} of {len(answered)} answered unsubscribes are nowhere")
    say(f"P10 edge: SIGKILL after {len(killed.answered):,} answers; none of {len(answered):,} is missing")
    return {"laps": found, "killed": len(killed.answered), "answered": len(answered), "connections": connections}


@contextmanager
def _killed_in(edge: Edge, seconds: float) -> Iterator[None]:
    killer = subprocess.Popen(["/bin/sh", "-c", f"sleep {seconds}; kill -9 {edge.process.pid}"])
    yield
    killer.wait()
    edge.process.wait(START_S)


def edge_section(told: dict[str, Any]) -> str:
    """The section of P10."""
    found: Sequence[Lap] = told["laps"]
    rates = sorted(lap.rate() for lap in found)
    middle = rates[len(rates) // 2]
    lines = ["## P10: the edge", "", P10.format(connections=told["connections"], seconds=found[0].seconds)]
    lines += ["| laps | unsubscribes a second min | median | max | p50 ms | p99 ms, worst lap | not 200 |"]
    lines += ["|---|---|---|---|---|---|---|"]
    p50 = sorted(lap.percentile(0.5) for lap in found)[len(found) // 2]
    lines.append(
        f"| {len(found)} | {rates[0]:,.0f} | **{middle:,.0f}** | {rates[-1]:,.0f} | {p50:.1f} "
        f"| {max(lap.percentile(0.99) for lap in found):.1f} | {sum(lap.others for lap in found)} |"
    )
    lines += ["", f"SIGKILL in mid-load: of {told['answered']:,} unsubscribes answered 200, 0 are missing."]
    return "\n".join([*lines, "", "Aim: ≥ 2,000 a second, p99 ≤ 50 ms, none lost."]) + "\n"


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Of a lap.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--connections", default=64, show_default=True)
def main(seconds: float, repeats: int, connections: int) -> None:
    """Measure one edge on a Kafka of its own."""
    with tempfile.TemporaryDirectory(prefix="consent-bench-") as scratch, LocalKafka(say=say) as kafka:
        told = laps(kafka.bootstrap, Path(scratch), seconds=seconds, repeats=repeats, connections=connections)
        click.echo(edge_section(told))


if __name__ == "__main__":
    main()
