"""The product under test: a topic prefix with its policy and keys, its worker processes, and what its topics hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from consent_stream.dev.leash import leashed
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin
from consent_stream.wire.keys import HEARTBEAT_KEY, Keyring
from consent_stream.wire.topics import EVENTS, LEDGER, SUPPRESSION, TOPICS, Topic
from consent_stream.wire.vector import Heartbeat, decode_heartbeat

KEYS = Keyring({0: bytes(32)})  # what KEY_FILE holds
KEY_FILE = '# Keys of tests, for fictional people alone.\ncurrent = 0\n\n[keys]\n0 = "' + "00" * 32 + '"\n'


def await_that(what: str, holds: Callable[[], bool], seconds: float) -> None:
    """Return when `holds()`; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class Found(NamedTuple):
    """A record of a topic. timestamp: milliseconds."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Worker:
    """One `consent-stream worker` process; `start` may be called again after its end."""

    def __init__(self, environment: Mapping[str, str], folder: Path, name: str, arguments: Iterable[str] = ()) -> None:
        self._environment, self._arguments = dict(environment), list(arguments)
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = self._born = 0

    def start(self, **extra: str) -> Worker:
        """Start, with variables added to the environment."""
        self._seen = self._born = self.readies
        command = leashed([sys.executable, "-m", "consent_stream", "worker", *self._arguments])
        with self._out.open("ab") as out, self._err.open("ab") as err:
            environment = {**self._environment, **extra}
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        return self

    @property
    def data_dir(self) -> Path:
        return Path(self._environment["CONSENT_DATA_DIR"])

    @property
    def readies(self) -> int:
        """How often it has said `ready`, in all its lives."""
        return self._out.read_text().split().count("ready") if self._out.exists() else 0

    @property
    def log(self) -> str:
        return self._err.read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def await_ready(self, seconds: float = 30) -> Worker:
        """Until it is ready once more than at its start, or at the last call."""

        def ready() -> bool:
            assert self.running, f"the worker ended: {self.log[-2000:]}"
            return self.readies > self._seen

        await_that("the worker is ready", ready, seconds)
        self._seen = self.readies
        return self

    def signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(which)

    def wait(self, seconds: float = 20) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    @property
    def at_work(self) -> bool:
        """Whether it runs and was ready in this life."""
        return self.running and self.readies > self._born

    def supervise(self) -> None:
        """What a supervisor does: start it again when it ended with a fault."""
        if not self.running:
            assert self.wait() == 70, self.log[-2000:]
            self.start()

    def close(self) -> None:
        if self.running:
            self.kill()


class Deployment:
    """One topic prefix on a broker."""

    def __init__(self, bootstrap: str, folder: Path, prefix: str, policy: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.generation = 0  # whose topics `read`, `ends` and `await_settled` look at
        (folder / "policy.toml").write_text(policy)
        (folder / "keys.toml").touch(mode=0o600)
        (folder / "keys.toml").write_text(KEY_FILE)
        self.settings = Settings(
            bootstrap=bootstrap, policy=folder / "policy.toml", keys=folder / "keys.toml", topic_prefix=prefix
        )
        self._workers: list[Worker] = []
        self.fed: list[tuple[int, int]] = []  # places of the events that a feeder has seen proven

    def make_topics(self, replacing: Mapping[Topic, int] = {}) -> None:
        """Every topic as declared; `replacing` gives other partition counts."""
        TopicAdmin(self.settings).create({topic: replacing.get(topic, topic.partitions) for topic in TOPICS}, 1)

    def environment(self, data_dir: str = "data") -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        return {
            **kept,
            "CONSENT_BOOTSTRAP": self.settings.bootstrap,
            "CONSENT_POLICY": str(self.settings.policy),
            "CONSENT_KEYS": str(self.settings.keys),
            "CONSENT_TOPIC_PREFIX": self.prefix,
            "CONSENT_DATA_DIR": str(self.folder / data_dir),
        }

    def worker(self, name: str, *arguments: str, static: bool = True) -> Worker:
        """A worker with a data directory of its own, not started; static: with `name` as its worker id."""
        identity = ["--worker-id", name] if static else []
        worker = Worker(self.environment(f"data-{name}"), self.folder, name, [*identity, *arguments])
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self._workers:
            worker.close()

    # -- records in

    def produce(self, values: Iterable[bytes | None], partition: int = -1) -> list[tuple[int, int]]:
        """Send values to `consent.events`, as a form without keys does; (partition, offset) of each."""
        places: list[tuple[int, int]] = []

        def proven(error: KafkaError | None, message) -> None:  # type: ignore[no-untyped-def]
            if error is not None:
                raise KafkaException(error)
            places.append((message.partition(), message.offset()))

        producer = Producer(self.settings.producer(**{"log_level": 2}))
        for value in values:
            producer.produce(EVENTS.full(self.prefix), value, partition=partition, on_delivery=proven)
            producer.poll(0)
        assert producer.flush(60) == 0
        return places

    @contextmanager
    def feeding(self, values: Iterable[bytes], seconds: float, seed: int = 1) -> Iterator[threading.Thread]:
        """Events arrive in bursts for about `seconds`, on all partitions, while the block runs; then all the rest."""
        waiting, random, hurry = list(values), Random(seed), threading.Event()
        failed: list[Exception] = []
        pace = len(waiting) / seconds

        def feed() -> None:
            try:
                at = 0
                while at < len(waiting):
                    size = int(random.expovariate(1 / (pace / 2))) + 1
                    self.fed += self.produce(waiting[at : at + size])
                    at += size
                    hurry.wait(0 if hurry.is_set() else size / pace)
            except Exception as error:
                failed.append(error)

        feeder = threading.Thread(target=feed, name="feeder")
        feeder.start()
        try:
            yield feeder
        finally:
            hurry.set()
            feeder.join()
        assert not failed, failed

    # -- what the topics hold

    def read(self, topic: Topic) -> list[Found]:
        """Every committed record of a topic, partition by partition in order."""
        name = topic.full(self.prefix, self.generation)
        consumer = self._reader(**{"enable.partition.eof": True})
        found: list[Found] = []
        try:
            partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
            consumer.assign([TopicPartition(name, each, 0) for each in partitions])
            open_ends = set(partitions)
            while open_ends:
                for message in consumer.consume(1000, 0.05):
                    error = message.error()
                    if error is None:
                        headers, when = list(message.headers() or []), message.timestamp()[1]
                        place = message.partition(), message.offset()
                        found.append(Found(*place, when, message.key(), message.value(), headers))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_ends.discard(message.partition())
                    else:
                        raise KafkaException(error)
        finally:
            consumer.close()
        return sorted(found, key=lambda each: each[:2])

    def _reader(self, **over: object) -> Consumer:
        """Joins no group. A broker may not hold an empty answer back: most partitions are read to their end."""
        return Consumer(self.settings.consumer(**{"group.id": "tests-unused", "fetch.wait.max.ms": 20, **over}))

    def ends(self, topic: Topic) -> dict[int, int]:
        """The offset after the last record, by partition."""
        consumer = self._reader()
        try:
            name = topic.full(self.prefix, self.generation)
            partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
            return {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=10)[1] for p in partitions}
        finally:
            consumer.close()

    def await_settled(self, seconds: float = 60, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Until every heartbeat of a list says that all events so far, and what followed from them, are applied."""
        wanted, name = self.ends(EVENTS), SUPPRESSION["email"].full(self.prefix, self.generation)
        owners = set(self.ends(LEDGER))
        latest: dict[int, Heartbeat] = {}
        consumer = self._reader()
        consumer.assign([TopicPartition(name, q, 0) for q in owners])

        def settled() -> bool:
            meanwhile()
            for message in consumer.consume(10_000, 0.05):
                if message.error() is None and message.key() == HEARTBEAT_KEY:
                    latest[message.partition()] = decode_heartbeat(message.value())
            return latest.keys() == owners and all(map(covers, latest.values()))

        def covers(beat: Heartbeat) -> bool:
            return all(p in beat.settled and beat.settled[p].offset >= end for p, end in wanted.items())

        try:
            await_that("every list is settled", settled, seconds)
        finally:
            with suppress(KafkaException):  # the test has its answer; a broker that is gone must not hide it
                consumer.close()


@contextmanager
def deployed(bootstrap: str, folder: Path, prefix: str, policy: str) -> Iterator[Deployment]:
    """A deployment with its topics; its workers end with the block."""
    deployment = Deployment(bootstrap, folder, prefix, policy)
    deployment.make_topics()
    try:
        yield deployment
    finally:
        deployment.close()
