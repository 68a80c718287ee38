"""A whole worker process on the embedded broker, and workers that refuse or wait."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.harness import Pipeline, until


@pytest.fixture
def pipeline(embedded: str, prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(embedded, prefix, tmp_path, FENCE="")
    made.touch()
    yield made
    made.stop_all()


def test_two_stages_restart_and_lose_nothing(pipeline: Pipeline) -> None:
    """No topic ids there, transactions neither isolated nor fenced: `fence=None` works in the unfenced order."""
    pipeline.feed(400, bad=3)
    worker = pipeline.start(SLICE="20", SLOW="0.2").wait_ready()
    until(lambda: sum(pipeline.ends("mid")) > 40, what="some slices")
    assert worker.terminate()[0] == 0, worker.text()
    pipeline.check_commits()
    worker = pipeline.start().wait_ready()
    pipeline.wait_drained()
    pipeline.check()
    (quarantined, *_) = pipeline.read("quarantine")
    assert quarantined.headers() == [("why", b"not a fact")]
    assert worker.terminate()[0] == 0
    assert "FAIL-STOP" not in worker.text()
    assert " INFO consent_stream.engine.restore: restored registers" in worker.text(), "the caller's log format"


def test_a_fence_is_refused_where_there_is_none(pipeline: Pipeline) -> None:
    worker = pipeline.start(FENCE="1")
    assert worker.wait() == 70
    assert "FAIL-STOP: the embedded broker neither isolates nor fences" in worker.text()


def test_a_data_directory_serves_one_process(pipeline: Pipeline) -> None:
    pipeline.start("w1", STAGES="1")
    until(lambda: (pipeline.directory / "w1" / "LOCK").exists(), what="the lock")
    second = pipeline.start("w1", STAGES="1")
    assert second.wait() == 70
    assert "is in use by another process" in second.text()


def test_no_kafka_is_one_line_an_attempt_and_a_clean_stop(prefix: str, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        bootstrap = f"127.0.0.1:{unused.getsockname()[1]}"
        pipeline = Pipeline(bootstrap, prefix, tmp_path)
        worker = pipeline.start()
        try:
            until(lambda: worker.text().count("cannot reach Kafka at") >= 1, what="the line")
            assert "Traceback" not in worker.text()
            said = [line for line in worker.text().splitlines() if "Connect" in line or "FAIL" in line]
            assert said == [], "librdkafka's own lines are not for the operator"
            code, seconds = worker.terminate()
            assert (code, "FAIL-STOP" in worker.text()) == (0, False), worker.text()
            assert seconds < 6
        finally:
            pipeline.stop_all()


def test_importing_is_silent() -> None:
    code = (
        "import os, socket, sys\n"
        "real = socket.socket\n"
        "def no(*_): raise AssertionError('a socket')\n"
        "socket.socket.connect = no\n"
        "before = set(os.listdir('/proc/self/task'))\n"
        "import consent_stream.engine\n"
        "assert set(os.listdir('/proc/self/task')) == before, 'a thread'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
