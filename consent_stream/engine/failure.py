"""How the engine dies: one line on stderr and exit code 70, or a named fail point that kills the process.

A slice whose effects are not proven must never be acknowledged, and Faust's own crash path waits for acknowledgements
that will never come. So every fault ends the process at once; the restart replays the slice.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from typing import NoReturn

from confluent_kafka import KafkaException

EXIT_FAULT = 70  # EX_SOFTWARE of sysexits.h: supervisors restart it

#: Passages at which a fault test may kill the process, in the order a slice meets them.
FAIL_POINTS = frozenset(
    {
        "slice.fetched",
        "unit.before-produce",
        "unit.after-outputs",
        "unit.before-commit",
        "unit.after-commit",
        "unit.after-store",
        "slice.acked",
    }
)

#: How the last line is written; by itself as text, the frames of the fault before it.
formatter: logging.Formatter | None = None

_lock = threading.Lock()
_ending = threading.Lock()  # taken once, never given back
_armed: str | None = None
_passages_left = 0


class EngineError(RuntimeError):
    """A fault in words that are safe to print: they name topics, partitions and settings, never a record."""


def describe(why: object) -> str:
    """One line for `why`. Text of foreign exceptions is left out: it may quote a record, and records hold addresses."""
    if isinstance(why, EngineError):
        text = str(why)
    elif isinstance(why, (KafkaException, OSError)) and str(why):  # a TimeoutError of a future says nothing
        text = f"{type(why).__name__}: {why}"
    elif isinstance(why, BaseException):
        frames = traceback.extract_tb(why.__traceback__)
        where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
        text = f"{type(why).__name__}{where}"
    else:
        text = str(why)
    return " ".join(text.split())


def fail_stop(why: object) -> NoReturn:
    """End the process with exit code 70, acknowledging nothing. Writes past Faust's redirected stderr.

    Units of several partitions can fail in the same moment, on threads of their own: the first one speaks for all.
    """
    if not _ending.acquire(timeout=10.0):
        os._exit(EXIT_FAULT)  # the first one hangs, on a full pipe for example
    stream = sys.__stderr__ or sys.stderr
    stream.write(_last_words(why) + "\n")
    stream.flush()
    logging.shutdown()
    os._exit(EXIT_FAULT)


def _last_words(why: object) -> str:
    words, fault = f"FAIL-STOP: {describe(why)}", why if isinstance(why, BaseException) else None
    if formatter is not None:
        seen = None if fault is None else (type(fault), fault, fault.__traceback__)
        return formatter.format(logging.LogRecord(__name__, logging.CRITICAL, __file__, 0, words, None, seen))
    frames = [] if fault is None or isinstance(fault, EngineError) else traceback.format_tb(fault.__traceback__)
    return "".join(frames) + words


def arm(spec: str | None) -> None:
    """Arm one fail point, `name:n`: the process kills itself (SIGKILL) at the n-th passage. None disarms.

    Errors: ValueError when the name is not in FAIL_POINTS or n is not a positive number.
    """
    global _armed, _passages_left
    if not spec:
        _armed = None
        return
    name, _, count = spec.partition(":")
    if name not in FAIL_POINTS or not count.isdigit() or int(count) < 1:
        raise ValueError(f"fail point {spec!r} is not NAME:N with a name of {sorted(FAIL_POINTS)}")
    _armed, _passages_left = name, int(count)


def reach(point: str) -> None:
    """Pass a fail point: free unless armed."""
    global _passages_left
    if _armed != point:
        return
    with _lock:
        _passages_left -= 1
        if _passages_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
