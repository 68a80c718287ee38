"""Nothing is lost and nothing old wins when workers are killed, frozen, joined or stopped, on a real Kafka."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_stream.engine.failure import FAIL_POINTS
from tests.engine.harness import Pipeline, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def pipeline(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(kafka, prefix, tmp_path, SLICE="100")
    made.make()
    yield made
    made.stop_all()


def test_killed_at_every_fail_point_loses_nothing(pipeline: Pipeline) -> None:
    """Traps: a seek one too far lost a record per restart; acknowledged before proven; state before its outputs."""
    pipeline.feed(10_000, bad=10)
    dice = random.Random(3)
    for point in sorted(FAIL_POINTS):
        worker = pipeline.start(WORKER="w1", SLOW="0.02", CONSENT_FAIL_POINT=f"{point}:{dice.randrange(2, 12)}")
        assert worker.wait(40) == -signal.SIGKILL, worker.text()[-2000:]
        pipeline.check_commits()
    pipeline.start(WORKER="w1").wait_ready()
    pipeline.wait_drained()
    pipeline.check()


def test_killed_without_a_fence_loses_nothing(pipeline: Pipeline) -> None:
    """The order outputs, changelog, store holds by itself: a replay never finds state whose outputs are unproven."""
    pipeline.feed(5_000, bad=3)
    for point in ("unit.after-outputs", "unit.after-commit"):
        worker = pipeline.start(WORKER="w1", FENCE="0", SLOW="0.02", CONSENT_FAIL_POINT=f"{point}:9")
        assert worker.wait(40) == -signal.SIGKILL, worker.text()[-2000:]
        pipeline.check_commits()
    pipeline.start(WORKER="w1", FENCE="0").wait_ready()
    pipeline.wait_drained()
    pipeline.check()


def test_a_frozen_worker_that_wakes_up_writes_nothing_old(pipeline: Pipeline) -> None:
    """Traps: an idempotent producer alone let 839 of 79,725 keys regress; old slices dropped unacknowledged hang."""
    pipeline.feed(10_000)
    frozen = pipeline.start("w1", SLOW="0.05").wait_ready()
    other = pipeline.start("w2", SLOW="0.05").wait_ready()
    until(lambda: sum(pipeline.committed("mid")) > 500, what="work")
    frozen.signal(signal.SIGSTOP)
    time.sleep(8)  # the session is 6 s
    frozen.signal(signal.SIGCONT)
    time.sleep(3)
    if frozen.process.poll() is not None:  # it was in the middle of a slice: the broker refused it
        assert frozen.process.returncode == 70
        assert "FAIL-STOP: KafkaException" in frozen.text()
        pipeline.start("w1")
    pipeline.wait_drained(seconds=90)
    pipeline.check()
    assert other.terminate()[0] == 0


def test_two_workers_join_leave_and_die(pipeline: Pipeline) -> None:
    """Trap: a revoked partition's acknowledged offsets were forgotten before they were committed."""
    pipeline.feed(10_000, bad=5)
    one = pipeline.start("w1", SLOW="0.05").wait_ready()
    two = pipeline.start("w2", SLOW="0.05").wait_ready()
    assert two.terminate()[0] == 0
    two = pipeline.start("w2", SLOW="0.05").wait_ready()
    one.signal(signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL
    pipeline.check_commits()
    pipeline.start("w1").wait_ready()
    pipeline.wait_drained(seconds=90)
    pipeline.check()
    assert [worker.terminate()[0] for worker in pipeline.workers if worker.process.poll() is None] == [0, 0]


def test_stages_apart_share_one_group(pipeline: Pipeline) -> None:
    """Trap: without a table Faust names another assignor, and a group of two protocols never forms."""
    pipeline.feed(5_000, bad=2)
    workers = [pipeline.start("w1", STAGES="1"), pipeline.start("w2", STAGES="2")]
    for worker in workers:
        worker.wait_ready()
    pipeline.wait_drained()
    pipeline.check()
    assert [worker.terminate()[0] for worker in workers] == [0, 0]
