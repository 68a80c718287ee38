"""The last words of a process, and the fail points that kill it on purpose."""

import subprocess
import sys

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream.engine.failure import FAIL_POINTS, EngineError, arm, describe, reach


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)


def test_fail_stop_is_one_line_and_exit_70() -> None:
    """Trap: Faust redirects stderr under its own command line; the line must reach the real one."""
    done = run(
        "import sys, io; sys.stderr = io.StringIO()\n"
        "from consent_stream.engine import EngineError, fail_stop\n"
        "try: raise EngineError('topic t is\\ngone')\n"
        "except EngineError as exc: fail_stop(exc)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (70, "", "FAIL-STOP: topic t is gone\n")


def test_the_first_of_many_that_fail_at_once_speaks_for_all() -> None:
    """Units of several partitions fail on threads of their own, with the same broker: one line, not eight."""
    done = run(
        "import threading\n"
        "from consent_stream.engine import EngineError, fail_stop\n"
        "together = threading.Barrier(8)\n"
        "def fail(): together.wait(); fail_stop(EngineError('topic t is gone'))\n"
        "for _ in range(8): threading.Thread(target=fail).start()\n"
    )
    assert (done.returncode, done.stderr) == (70, "FAIL-STOP: topic t is gone\n")


def test_foreign_exceptions_are_not_quoted() -> None:
    """They may hold a record, and records hold addresses."""
    with pytest.raises(KeyError) as caught:
        raise KeyError("ana@example.com")
    assert describe(caught.value).startswith("KeyError at test_failure.py:")
    assert "example.com" not in describe(caught.value)
    assert describe(KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))).startswith("KafkaException: ")
    with pytest.raises(TimeoutError) as silent:  # as a future's, which has no text
        raise TimeoutError
    assert describe(silent.value).startswith("TimeoutError at test_failure.py:")
    assert describe(OSError(28, "No space left")) == "OSError: [Errno 28] No space left"
    assert describe(EngineError("a\nb")) == "a b"
    assert describe("why") == "why"


@pytest.mark.parametrize("spec", ["nowhere:1", "unit.after-store", "unit.after-store:0", "unit.after-store:x"])
def test_a_malformed_fail_point_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="fail point"):
        arm(spec)


def test_a_fail_point_kills_at_its_passage_only() -> None:
    code = (
        "from consent_stream.engine.failure import arm, reach\n"
        "arm('unit.after-store:3')\n"
        "for n in range(5): reach('slice.acked'); print(n, flush=True); reach('unit.after-store')\n"
    )
    done = run(code)
    assert (done.returncode, done.stdout.split()) == (-9, ["0", "1", "2"])


def test_unarmed_points_are_free() -> None:
    arm(None)
    for point in FAIL_POINTS:
        reach(point)
