"""Runs `pipeline.py` as worker processes and holds what they wrote against an oracle computed from the source alone."""

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka as ck
import orjson
from confluent_kafka.admin import AdminClient, NewTopic

from consent_stream.dev.leash import leashed
from consent_stream.engine import PlainKafka

PIPELINE = Path(__file__).with_name("pipeline.py")
COMPACTED = ("out", "state")
Row = tuple[bytes | None, bytes | None]


def until(condition, seconds: float = 30.0, what: str = "condition") -> None:
    """Wait for `condition()`; AssertionError when it stays false."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} not met in {seconds} s"
        time.sleep(0.05)


class Worker:
    """One worker process: its exit code, log and the times it said ready."""

    def __init__(self, env: dict[str, str], log: Path, ready: Path) -> None:
        self.log, self.ready_file = log, ready
        ready.unlink(missing_ok=True)
        with log.open("ab") as out:
            self.log_start = out.tell()
            self.process = subprocess.Popen(
                leashed([sys.executable, str(PIPELINE)]),
                env={**os.environ, **env, "READY_FILE": str(ready)},
                stdout=out,
                stderr=out,
                start_new_session=True,  # a stopped process in an orphaned group gets SIGHUP
            )

    def text(self) -> str:
        return self.log.read_bytes()[self.log_start :].decode(errors="replace")

    def wait_ready(self, seconds: float = 30.0) -> "Worker":
        until(lambda: self.ready_file.exists() or self.process.poll() is not None, seconds, "ready")
        assert self.process.poll() is None, self.text()[-3000:]
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        return self.process.wait(seconds)

    def terminate(self) -> tuple[int, float]:
        """(exit code, seconds) of a SIGTERM."""
        started = time.monotonic()
        self.signal(signal.SIGTERM)
        return self.wait(), time.monotonic() - started


class Pipeline:
    """Topics, source records, workers and the oracle of one run."""

    def __init__(self, bootstrap: str, prefix: str, directory: Path, partitions: int = 4, **env: str) -> None:
        self.bootstrap, self.prefix, self.directory = bootstrap, prefix, directory
        self.partitions = partitions
        self.env = {"BOOTSTRAP": bootstrap, "PREFIX": prefix, "PARTITIONS": str(partitions), **env}
        self.group = f"{prefix}-app"
        self.kafka = PlainKafka(bootstrap)
        self.admin = AdminClient(self.kafka.librdkafka())
        self.workers: list[Worker] = []
        self.want: dict[bytes, dict[str, int]] = {}
        self.bad: list[bytes] = []

    def name(self, topic: str) -> str:
        return f"{self.prefix}-{topic}"

    def make(self, *topics: str) -> None:
        """Create topics on a real Kafka."""
        new = [
            NewTopic(
                self.name(topic),
                self.partitions,
                1,
                config={"cleanup.policy": "compact"} if topic in COMPACTED else {},
            )
            for topic in topics or ("src", "mid", "quarantine", "out", "state")
        ]
        for created in self.admin.create_topics(new).values():
            created.result(20)

    def touch(self) -> None:
        """Have an embedded broker make the topics: they appear when asked for."""
        for topic in ("src", "mid", "quarantine", "out", "state"):
            self.admin.list_topics(self.name(topic), timeout=10)

    def feed(self, count: int, *, keys: int = 500, bad: int = 0, seed: int = 1) -> None:
        """Write `count` facts and `bad` records that are none, evenly between them."""
        dice = random.Random(seed)
        producer = ck.Producer(self.kafka.producer(**{"linger.ms": 20}))
        spoiled = {(index + 1) * count // (bad + 1) for index in range(bad)}
        for index in range(count):
            if index in spoiled:
                self.bad.append(b"\xff not a fact %d" % index)
                producer.produce(self.name("src"), key=b"bad", value=self.bad[-1])
            subject, register, when = f"{dice.randrange(keys):06}", dice.choice("abc"), dice.randrange(1, 10**9)
            held = self.want.setdefault(subject.encode(), {})
            held[register] = max(when, held.get(register, 0))
            value = orjson.dumps({"subject": subject, "register": register, "time": when})
            producer.produce(self.name("src"), key=subject.encode(), value=value)
            if index % 5000 == 0:
                producer.poll(0)
        assert producer.flush(30) == 0

    # -- workers

    def start(self, name: str = "w1", **env: str) -> Worker:
        every = {**self.env, "DATADIR": str(self.directory / name), **env}
        worker = Worker(every, self.directory / f"{name}.log", self.directory / f"{name}.ready")
        self.workers.append(worker)
        return worker

    def stop_all(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.wait()
        self._asker.close()

    # -- what Kafka holds

    @contextlib.contextmanager
    def reader(self) -> Iterator[ck.Consumer]:
        over = {"group.id": "reader-unused", "auto.offset.reset": "error", "isolation.level": "read_committed"}
        quick = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}
        consumer = ck.Consumer(self.kafka.consumer(**over, **quick))
        try:
            yield consumer
        finally:
            consumer.close()

    @functools.cached_property
    def _asker(self) -> ck.Consumer:
        """One consumer of the group that never joins it, for offsets only."""
        return ck.Consumer(self.kafka.consumer(**{"group.id": self.group, "isolation.level": "read_committed"}))

    def _partitions(self, topic: str) -> list[ck.TopicPartition]:
        return [ck.TopicPartition(self.name(topic), p) for p in range(self.partitions)]

    def committed(self, topic: str) -> list[int]:
        return [max(0, found.offset) for found in self._asker.committed(self._partitions(topic), timeout=10)]

    def ends(self, topic: str) -> list[int]:
        return [self._asker.get_watermark_offsets(tp, timeout=10)[1] for tp in self._partitions(topic)]

    def read(self, topic: str) -> list[ck.Message]:
        """Every committed record of a topic, in the order of each partition."""
        with self.reader() as reader:
            left = self.partitions
            reader.assign([ck.TopicPartition(self.name(topic), p, ck.OFFSET_BEGINNING) for p in range(left)])
            found = []
            while left:
                for message in reader.consume(5000, 0.02):
                    if message.error() is None:
                        found.append(message)
                    elif message.error().code() == ck.KafkaError._PARTITION_EOF:
                        left -= 1
                    else:
                        raise ck.KafkaException(message.error())
            return found

    def latest(self, topic: str) -> dict[bytes, bytes]:
        return {message.key(): message.value() for message in self.read(topic)}

    def drained(self, *topics: str) -> bool:
        return all(self.committed(topic) == self.ends(topic) for topic in topics or ("src", "mid"))

    def wait_drained(self, *topics: str, seconds: float = 60.0) -> None:
        """Wait until every source record is applied, and all that came of it."""
        until(lambda: self.drained(*topics), seconds, "drained")

    def oracle(self) -> dict[bytes, bytes]:
        return {key: orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for key, row in self.want.items()}

    def check(self) -> None:
        """Output, changelog and quarantine are what the source says: nothing lost, nothing older over newer."""
        want = self.oracle()
        for topic in COMPACTED:
            got = self.latest(topic)
            wrong = [key for key in want if got.get(key) != want[key]]
            assert not wrong, f"{topic}: {len(wrong)} of {len(want)} keys are wrong"
            assert len(got) == len(want)
        assert {message.value() for message in self.read("quarantine")} == set(self.bad)

    def check_commits(self) -> None:
        """Everything below the group's commits has its effects on the broker (commits are read first)."""
        src, mid = self.committed("src"), self.committed("mid")
        passed = {(m.key(), m.value()) for m in self.read("mid")} | {(None, m.value()) for m in self.read("quarantine")}
        for message in self.read("src"):
            if message.offset() < src[message.partition()]:
                assert self._effect(message) in passed, f"lost below the commit: src {message.offset()}"
        rows: dict[bytes, dict[str, int]] = {}
        for message in self.read("state"):
            row = rows.setdefault(message.key(), {})
            for register, when in orjson.loads(message.value()).items():
                row[register] = max(when, row.get(register, 0))
        for message in self.read("mid"):
            if message.offset() < mid[message.partition()]:
                register, when = orjson.loads(message.value())
                assert rows[message.key()][register] >= when, f"lost below the commit: mid {message.offset()}"

    def _effect(self, message: ck.Message) -> Row:
        if message.value() in self.bad:
            return None, message.value()
        fact = orjson.loads(message.value())
        return fact["subject"].encode(), orjson.dumps([fact["register"], fact["time"]])
