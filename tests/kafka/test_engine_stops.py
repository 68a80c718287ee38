"""How a worker ends and begins: exit codes, what it commits, what it refuses, what it says."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from tests.engine.harness import Pipeline, Worker, until
from tests.engine.rawbatch import BAD, batch, produce

pytestmark = pytest.mark.kafka


@pytest.fixture
def pipeline(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(kafka, prefix, tmp_path, SLICE="100")
    yield made
    made.stop_all()


def limit(pipeline: Pipeline, topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, pipeline.name(topic), incremental_configs=[entry])
    for done in pipeline.admin.incremental_alter_configs([resource]).values():
        done.result(10)


def fail_stop_lines(worker: Worker) -> list[str]:
    return [line for line in worker.text().splitlines() if line.startswith("FAIL-STOP: ")]


def test_sigterm_finishes_the_slice_commits_and_leaves(pipeline: Pipeline) -> None:
    """Trap: `Consumer.wait_empty` returns at once when stopping. Nothing is repeated after a clean stop."""
    pipeline.make()
    pipeline.feed(5_000, bad=3)
    worker = pipeline.start(SLOW="0.1").wait_ready()
    until(lambda: sum(pipeline.ends("mid")) > 500, what="some slices")
    code, seconds = worker.terminate()
    assert code == 0, worker.text()[-2000:]
    assert seconds < 5
    assert "LeaveGroup request succeeded" in worker.text()
    passed = len(pipeline.read("mid")) + len(pipeline.read("quarantine"))
    assert sum(pipeline.committed("src")) == passed < 5_000
    pipeline.check_commits()


def test_sigterm_in_a_rebalance_exits_0(pipeline: Pipeline) -> None:
    """Trap: Faust's Fetcher takes a cancel during a rebalance for a crash: exit code 1."""
    pipeline.make()
    pipeline.feed(3_000)
    stayed = pipeline.start("w0", SLOW="0.3").wait_ready()
    leaver = pipeline.start("w1", SLOW="0.3", WORKER="").wait_ready()
    pipeline.start("w2", SLOW="0.3")
    until(lambda: "Revoking previously assigned" in leaver.text().split("Worker ready", 1)[1], what="a rebalance")
    assert leaver.terminate()[0] == 0, leaver.text()[-2000:]
    assert stayed.process.poll() is None


def test_a_static_member_is_back_at_once(pipeline: Pipeline) -> None:
    """Trap: after a SIGKILL the group waits for the session to time out, unless the member has a name."""
    pipeline.make()
    pipeline.feed(3_000)
    worker = pipeline.start(WORKER="w1", SESSION="30").wait_ready()
    pipeline.wait_drained()
    worker.signal(signal.SIGKILL)
    worker.wait()
    started = time.monotonic()
    again = pipeline.start(WORKER="w1", SESSION="30").wait_ready()
    assert time.monotonic() - started < 15
    assert "wiped" not in again.text()


def test_a_raising_body_acknowledges_nothing_and_says_one_line(pipeline: Pipeline) -> None:
    """Trap: Faust acknowledges an event whose agent raised, and restarts the agent. No record may be quoted."""
    pipeline.make()
    pipeline.feed(5_000, bad=2)
    worker = pipeline.start(BREAK="merge:9", WORKER="w1")
    assert worker.wait() == 70
    (line,) = fail_stop_lines(worker)
    assert line.startswith("FAIL-STOP: ValueError at pipeline.py:")
    assert "@example.com" not in worker.text().replace('raise ValueError("fictional@example.com', "")
    pipeline.check_commits()
    pipeline.start(WORKER="w1").wait_ready()
    pipeline.wait_drained()
    pipeline.check()


@pytest.mark.parametrize(("topic", "stage"), [("state", "mid"), ("quarantine", "src")])
def test_a_refused_delivery_stops_before_the_acknowledgement(pipeline: Pipeline, topic: str, stage: str) -> None:
    """Trap: Faust's ProducerBuffer swallows errors, and its flush proves nothing."""
    pipeline.make()
    limit(pipeline, topic, 70)
    pipeline.feed(300, bad=300)
    worker = pipeline.start()
    assert worker.wait() == 70
    assert len(fail_stop_lines(worker)) == 1
    assert "MSG_SIZE_TOO_LARGE" in worker.text() or "Message size too large" in worker.text()
    assert sum(pipeline.committed(stage)) == 0


@pytest.mark.parametrize("fence", ["1", "0"])
@pytest.mark.parametrize("codec", [0, 3], ids=["plain", "lz4"])
def test_a_header_name_that_is_not_utf_8_stops_nothing(pipeline: Pipeline, fence: str, codec: int) -> None:
    """Trap: a broker takes such a record, and aiokafka raises at it for ever. What is behind it must arrive."""
    pipeline.make()
    pipeline.feed(500)
    facts = []
    for subject in ("before", "poisoned", "behind"):
        pipeline.want[subject.encode()] = {"a": 7}
        facts.append((subject.encode(), orjson.dumps({"subject": subject, "register": "a", "time": 7})))
    raw = batch(0, [[], [(BAD, b"x")], [(b"fine", None)]], codec=codec, held=facts)
    produce(pipeline.bootstrap, pipeline.name("src"), 0, raw)
    pipeline.feed(500, seed=2)
    worker = pipeline.start(FENCE=fence, SLICE="2").wait_ready()
    pipeline.wait_drained(seconds=45)
    assert worker.process.poll() is None, worker.text()[-2000:]
    assert len(pipeline.read("mid")) == sum(pipeline.ends("src")) == 1_003  # each once
    assert pipeline.read("quarantine") == []
    assert worker.text().count("header name is not UTF-8") == 1
    pipeline.check()


def test_missing_topics_are_named_and_refused(pipeline: Pipeline) -> None:
    """Trap: Faust logs a missing topic once and runs with nothing to do."""
    pipeline.make("src", "mid", "quarantine")
    worker = pipeline.start()
    assert worker.wait() == 70
    assert fail_stop_lines(worker) == [
        f"FAIL-STOP: topics do not exist: {pipeline.name('out')}, {pipeline.name('state')}"
    ]


def test_a_restore_longer_than_the_session_ends(pipeline: Pipeline) -> None:
    """Trap: aiokafka heartbeats only after the rebalance callback returned: a restore inside it never ends."""
    pipeline.make()
    pipeline.feed(500)
    pipeline.start(OPENING="7.5", SESSION="6").wait_ready()
    pipeline.wait_drained()
    pipeline.check()
