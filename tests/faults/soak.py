"""`python -m tests.faults.soak`: one deployment at work for long, with a fault every half minute.

Two workers and two gates under a constant load, on a Kafka of their own. Worker w1 is killed and frozen past its
session, w2 and the gates are frozen for less than that, the broker is stopped and killed. In the end everything is
compared with what the input alone says. Exit 0; 1 when anything differs, or memory or lag grew by more than `Limits`.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

import click
from confluent_kafka import KafkaError, KafkaException, Producer

from benchmarks.population import records
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.leash import leashed
from consent_stream.wire.topics import EVENTS
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment, Worker, await_that, deployed
from tests.faults.population import POLICY, SENT, events
from tests.faults.soak_samples import Limits, Watch

RATE = 500  # events a second
PEOPLE = 5_000  # so many that state stops growing within minutes
FAULT_EVERY_S = (20.0, 40.0)
STEADY = ("w2", "gate-email", "gate-sms", "broker")  # never killed, save the broker: their memory has a slope
HEAD = (
    "| date | seconds | seed | events | faults | compared | lag, median and worst s | gates' staleness, worst s | "
    "RSS MiB (MiB/h) | disk MiB | lag slope s/h |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
)


class Feeder(threading.Thread):
    """A constant load: people's events, and now and then the generator of the laws with its poison."""

    def __init__(self, deployment: Deployment, seconds: float, seed: int) -> None:
        super().__init__(name="feeder")
        self.sent, self.over = 0, threading.Event()
        self._failed: list[object] = []
        self._deployment, self._values = deployment, _values(seconds, seed)

    def run(self) -> None:
        try:
            self._feed()
        except Exception as error:
            self._failed.append(error)

    def check(self) -> None:
        """Errors: AssertionError with what kept the load away."""
        assert not self._failed, self._failed[0]

    def _feed(self) -> None:
        settings, topic = self._deployment.settings, EVENTS.full(self._deployment.prefix)
        producer, began = Producer(settings.producer(**{"log_level": 2})), time.monotonic()
        while not self.over.wait(0.05):
            due = int((time.monotonic() - began) * RATE) - self.sent
            for value in islice(self._values, max(0, due)):
                producer.produce(topic, value, on_delivery=self._proven)
                self.sent += 1
            producer.poll(0)
        left = producer.flush(120)
        if left:
            raise TimeoutError(f"{left} events unproven")

    def _proven(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failed.append(KafkaException(error))


def _values(seconds: float, seed: int) -> Iterator[bytes]:
    wanted = int(seconds * RATE * 1.2) + 10_000
    people = records(wanted, PEOPLE, SENT)
    for chunk in range(wanted):
        yield from islice(people, 2_000)
        yield from events(0, 100, seed=seed * 100_003 + chunk)


class Sidecar:
    """One `consent-stream gate serve` for one list."""

    def __init__(self, deployment: Deployment, channel: str) -> None:
        folder = deployment.folder
        command = ["gate", "serve", "--port", "0", "--channel", channel, "--store", str(folder / f"gate-{channel}")]
        self._out = folder / f"gate-{channel}.out"
        with self._out.open("wb") as out, (folder / f"gate-{channel}.err").open("wb") as err:
            self.process = subprocess.Popen(
                leashed([sys.executable, "-m", "consent_stream", *command]),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=deployment.environment(),
            )  # fmt: skip
        await_that(f"the gate of {channel} serves", lambda: len(self._out.read_text().split()) >= 2, 60)
        self.address = self._out.read_text().split()[1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Faults:
    """What is done to the deployment, one thing at a time, from the thread that started its processes."""

    def __init__(self, broker: LocalKafka, workers: list[Worker], gates: list[Sidecar], random: Random) -> None:
        self._broker, self.workers, self.gates, self.random = broker, workers, gates, random
        self.done: list[str] = []

    def broker_pid(self) -> dict[str, int]:
        """Empty while it is down."""
        jvm = self._broker._jvm
        return {"broker": jvm.pid} if jvm is not None else {}

    def one(self) -> str:
        """Do one; what it was."""
        choices: list[tuple[str, Callable[[], None]]] = [
            ("w1 killed", self._kill),
            ("w1 killed", self._kill),
            ("w1 frozen past its session", lambda: self._freeze(self.workers[0].pid, 14)),
            ("w2 frozen for a moment", lambda: self._freeze(self.workers[1].pid, 4)),
            ("a gate frozen", lambda: self._freeze(self.random.choice(self.gates).process.pid, 6)),
            ("broker stopped", lambda: self._restart(self._broker.stop)),
            ("broker killed", lambda: self._restart(self._broker.kill)),
        ]
        name, act = self.random.choice(choices)
        act()
        self.done.append(name)
        return name

    def _kill(self) -> None:
        self.workers[0].kill()
        time.sleep(self.random.uniform(0, 12))  # sooner and later than its session
        self.workers[0].start()

    def _freeze(self, pid: int, seconds: float) -> None:
        subprocess.run(["kill", "-STOP", str(pid)], check=True)
        time.sleep(seconds)
        subprocess.run(["kill", "-CONT", str(pid)], check=True)

    def _restart(self, end: Callable[[], None]) -> None:
        end()
        time.sleep(self.random.uniform(0, 5))
        self._broker.start()

    def supervise(self) -> None:
        """Start again what ended with a fault. Errors: AssertionError for any other end, and for a gate's."""
        for worker in self.workers:
            worker.supervise()
        assert all(gate.process.poll() is None for gate in self.gates), "a gate ended"


def say(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)


def soak(seconds: float, seed: int, folder: Path, report: Path | None) -> int:
    """Run it; the exit code."""
    random = Random(seed)
    broker = LocalKafka(data=folder / "kafka", properties={"log.segment.bytes": str(16 << 20)})
    with broker, deployed(broker.bootstrap, folder, "soak-", POLICY) as deployment:
        workers = [deployment.worker(name).start().await_ready(60) for name in ("w1", "w2")]
        gates = [Sidecar(deployment, channel) for channel in ("email", "sms")]
        try:
            faults, feeder = Faults(broker, workers, gates, random), Feeder(deployment, seconds, seed)
            return _run(seconds, seed, deployment, faults, feeder, gates, report)
        finally:
            for gate in gates:
                gate.close()


def _run(
    seconds: float, seed: int, deployment: Deployment, faults: Faults, feeder: Feeder, gates: list[Sidecar],
    report: Path | None,
) -> int:  # fmt: skip
    def pids() -> dict[str, int]:
        found = {"w1": faults.workers[0].pid, "w2": faults.workers[1].pid}
        found |= {f"gate-{channel}": gate.process.pid for channel, gate in zip(("email", "sms"), gates, strict=True)}
        return found | faults.broker_pid()

    addresses = {channel: gate.address for channel, gate in zip(("email", "sms"), gates, strict=True)}
    with Watch(deployment, pids, addresses, deployment.folder) as watch:
        feeder.start()
        try:
            _break_things(seconds, faults, feeder, watch)
        finally:
            feeder.over.set()
            feeder.join()
        feeder.check()
        deployment.await_settled(180, meanwhile=faults.supervise)
    watch.check()
    faults.supervise()
    await_that("both workers are at work", lambda: all(worker.at_work for worker in faults.workers), 60)
    for worker in faults.workers:
        assert worker.stop() == 0
    say("memory and lag: " + _row(seconds, seed, feeder.sent, 0, len(faults.done), watch).strip())
    say(f"comparing with what {feeder.sent} events say …")
    compared = check_everything(deployment)
    row = _row(seconds, seed, feeder.sent, compared, len(faults.done), watch)
    print(HEAD + row)
    if report is not None:
        fresh = not report.exists()
        with report.open("a") as file:
            file.write((HEAD if fresh else "") + row)
    grown = Limits().broken(watch, STEADY, seconds / 3600)
    for line in grown:
        say(line)
    return 1 if grown else 0


def _break_things(seconds: float, faults: Faults, feeder: Feeder, watch: Watch) -> None:
    end = time.monotonic() + seconds
    due = time.monotonic() + faults.random.uniform(*FAULT_EVERY_S)
    while time.monotonic() < end:
        time.sleep(0.5)
        faults.supervise()
        watch.check()
        feeder.check()
        if time.monotonic() >= due and time.monotonic() < end - FAULT_EVERY_S[1]:
            say(f"{faults.one()} · {feeder.sent} events · lag {_last(watch.lag.points)} s")
            due = time.monotonic() + faults.random.uniform(*FAULT_EVERY_S)


def _last(points: list[tuple[float, float]]) -> str:
    return f"{points[-1][1]:.1f}" if points else "?"


def _row(seconds: float, seed: int, sent: int, compared: int, faults: int, watch: Watch) -> str:
    memory = ", ".join(f"{name} {each.points[-1][1]:.0f} ({each.slope():+.0f})" for name, each in watch.rss.items())
    stale = ", ".join(f"{name} {each.worst:.0f}" for name, each in watch.stale.items())
    lag = f"{watch.lag.middle:.2f}, {watch.lag.worst:.0f}"
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return (
        f"| {day} | {seconds:.0f} | {seed} | {sent:,} | {faults} | {compared:,} | {lag} | {stale} | "
        f"{memory} | {watch.disk.points[-1][1]:.0f} | {watch.lag.slope(floor=True):+.1f} |\n"
    )


@click.command()
@click.option("--seconds", type=click.FloatRange(60), default=3600, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of events and of the order of faults.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="A Markdown table to add a row to.")
@click.option("--keep", is_flag=True, help="Leave its directory, with logs and topics, where it is.")
def main(seconds: float, seed: int, report: Path | None, keep: bool) -> None:
    """One deployment at work for SECONDS, with a fault every half minute."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="consent-stream-soak-"))
    say(f"seed {seed}, {RATE} events a second for {seconds:.0f} s, in {folder}")
    try:
        sys.exit(soak(seconds, seed, folder, report))
    finally:
        if not keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
