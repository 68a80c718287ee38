"""The demo as a command: it holds, and whatever ends it takes every process with it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROCESSES = 5  # a broker, a worker, an edge, two mailers
DEMO = [sys.executable, "-m", "consent_stream", "demo", "--json"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def children_of(pid: int) -> set[int]:
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda s: s.name)
def test_no_process_outlives_the_demo(how, tmp_path):
    environ = os.environ | {"TMPDIR": str(tmp_path)}  # a killed one leaves its files behind
    demo = subprocess.Popen(DEMO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ)
    try:
        wait_until(lambda: len(children_of(demo.pid)) == PROCESSES)
        children = children_of(demo.pid)
        demo.send_signal(how)
        assert demo.wait(30) == (-signal.SIGKILL if how == signal.SIGKILL else 130)
        wait_until(lambda: not any(map(alive, children)))
        assert b"Traceback" not in demo.stderr.read()
    finally:
        demo.kill()
        demo.stderr.close()


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("CI"), reason="takes a minute; `make demo` shows it")
def test_the_demo_holds():
    # Settings of whoever runs it must not reach its processes.
    elsewhere = os.environ | {"CONSENT_BOOTSTRAP": "127.0.0.1:1", "CONSENT_TOPIC_PREFIX": "elsewhere-"}
    ran = subprocess.run(DEMO, capture_output=True, text=True, timeout=240, env=elsewhere, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, lines[-1:]
    assert [line["act"] for line in lines if "act" in line] == list(range(1, 10))
    assert all(line["good"] is not False for line in lines if "say" in line)
    measured = [ms for line in lines for ms in line.get("enforced_ms", {}).values()]
    assert len(measured) > 10
    assert all(0 <= ms < 30_000 for ms in measured)
    assert "example.com" not in ran.stdout + ran.stderr
