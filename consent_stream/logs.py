"""How long-running commands write their log: on stderr, as text or as JSON, an object a line.

1. `time`, `level`, `logger`, `message`, `service` and `worker` are in every JSON line; what a line of ours says about a
   record (`topic`, `partition`, `offset`, `code`, …) stands in fields of its own, as its `extra` names them.
2. Lines of libraries go the same way. Their `extra` is left out: nobody knows what is in it.
3. An exception is the field `error`: type, place and frames. Its text only where it cannot quote a record: of ours, of
   Kafka and of the operating system (an address may stand in any other).
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

from consent_stream.logthrottle import Throttle

OURS = "consent_stream"
SPEAKABLE = (OURS, "aiokafka", "kafka", "cimpl")  # of brokers, topics and settings alone; cimpl: confluent_kafka
MOST_FRAMES = 30

log = logging.getLogger(__name__)
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextLines(logging.Formatter):
    """One line for people, the time in UTC; an exception follows as Python writes it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return instant(record.created)


class JsonLines(logging.Formatter):
    """One object a line. service: `worker`, `edge`, …; worker: which one of them."""

    def __init__(self, service: str, worker: str) -> None:
        super().__init__()
        self._always = {"service": service, "worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """The object of a record."""
        line: dict[str, Any] = {
            "time": instant(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
        }
        if record.name.partition(".")[0] == OURS:
            line.update((name, value) for name, value in vars(record).items() if name not in _OF_EVERY_RECORD)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = fault(record.exc_info[1])
        try:
            return orjson.dumps(line, default=_name).decode()
        except TypeError:  # half a surrogate pair, of a file name say, or a number beyond 64 bits
            return json.dumps(line, default=_name)


def instant(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 has it, UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fault(error: BaseException) -> dict[str, Any]:
    """An exception as fields: `type`, `text` where it may be told, `frames` as FILE:LINE FUNCTION, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    told: dict[str, Any] = {"type": type(error).__name__}
    if type(error).__module__.partition(".")[0] in SPEAKABLE or isinstance(error, OSError):
        told["text"] = " ".join(str(error).split())
    told["frames"] = [f"{each.filename.rpartition('/')[2]}:{each.lineno} {each.name}" for each in frames]
    return told


def log_to_stderr(
    service: str, form: str, *, worker: str | None = None, verbose: bool = False, requests: bool = False
) -> logging.Formatter:
    """Set the log of this process up, once, and return how its lines are written.

    service: as its loggers are called, such as `edge`. form: `text` or `json`. worker: which one of them, the host by
    default. verbose: more lines, and all that libraries repeat. requests: a line for each request to a service.
    """
    formatter = JsonLines(service, worker or socket.gethostname()) if form == "json" else TextLines()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    if not verbose:
        handler.addFilter(Throttle())
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    # It writes the first bytes of every response: of batches of events, and so addresses.
    logging.getLogger("aiokafka.conn").setLevel(logging.INFO)
    logging.getLogger(f"{OURS}.{service}.requests").setLevel(logging.INFO if requests else logging.WARNING)
    if form == "json":
        _catch_the_rest()
    return formatter


def as_json() -> bool:
    """Whether this process writes its log as JSON: then nothing else belongs on stderr."""
    return any(isinstance(each.formatter, JsonLines) for each in logging.getLogger().handlers)


def _catch_the_rest() -> None:
    """What Python itself would write on stderr becomes a line too."""
    logging.captureWarnings(True)

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("the process ends by an error", exc_info=error)

    def of_thread(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "?"
        log.error("thread %s ends by an error", name, exc_info=args.exc_value)

    sys.excepthook, threading.excepthook = of_process, of_thread


def _name(value: object) -> str:
    """What JSON has no word for is named by its type: nobody knows what its text would tell."""
    return type(value).__name__
