"""Ctrl-C and SIGTERM as a question that long work asks between two steps; a second one ends the command at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], int]]:
    """Yields a function: 0 while nobody asked, else the exit code of one who was asked (130, 143)."""
    asked = 0
    before = {each: signal.getsignal(each) for each in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = 128 + number
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in SIGNALS:
        signal.signal(each, note)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
