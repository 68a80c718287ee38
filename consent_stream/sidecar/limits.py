"""What a client may take: bytes, questions, time, places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consent_stream.sidecar.problems import Problem


@dataclass(frozen=True)
class Limits:
    """body: bytes. batch: questions in one request. concurrency: checks being answered, and as many waits for receipts.

    connections: open at once; a further one is closed unread. body_seconds: for the body after the head.
    idle_seconds: for a whole head, and between two requests. write_seconds: a client that takes nothing of its answer.
    wait_seconds: the longest wait for a receipt.
    """

    body: int = 1024 * 1024
    batch: int = 1000
    concurrency: int = 64
    connections: int = 1000
    body_seconds: float = 10.0
    idle_seconds: float = 60.0
    write_seconds: float = 10.0
    wait_seconds: float = 60.0


class Places:
    """Places for so many at once. Who finds none is told so, and does not queue: an old answer is worth nothing."""

    def __init__(self, number: int) -> None:
        self.number, self.taken = number, 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place for the block. Errors: Problem `too-many`."""
        if self.taken >= self.number:
            raise Problem("too-many", f"{self.number} are being answered", headers={"Retry-After": "1"})
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
