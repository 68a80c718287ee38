"""What libraries say over and over while Kafka is away, said now and then: an operator must find our own lines."""

import logging
import threading
import time
from collections.abc import Callable

EVERY_S = 30.0
LIBRARIES = ("aiokafka", "faust", "mode", "opentelemetry", "urllib3")
LIBRDKAFKA = "consent_stream.engine.kafka"  # its lines go there, all under one template: the first value is their kind
MOST_KINDS = 1000  # a library that formats its lines itself makes each of them a kind


class Throttle(logging.Filter):
    """Lets one line of a kind (logger, template, level) of a library through in `every` seconds.

    The next one that passes says how many were left out. Lines of our own always pass.
    """

    def __init__(self, every: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every, self._clock = every, clock
        self._kinds: dict[object, tuple[float, int]] = {}  # when the last one passed, how many have not since
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it passes; one that follows others that did not gets their number added to its text."""
        kind = _kind(record)
        if kind is None:
            return True
        now = self._clock()
        with self._lock:
            passed, left_out = self._kinds.get(kind, (None, 0))
            if passed is not None and now - passed < self._every:
                self._kinds[kind] = passed, left_out + 1
                return False
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            self._kinds[kind] = now, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} more like this left out)"
        return True


def _kind(record: logging.LogRecord) -> object:
    """None for a line of our own."""
    if record.name == LIBRDKAFKA:
        said = record.args[0] if isinstance(record.args, tuple) and record.args else None
        return record.name, str(record.msg), record.levelno, said
    if record.name.partition(".")[0] in LIBRARIES:
        return record.name, str(record.msg), record.levelno
    return None
