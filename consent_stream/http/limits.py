"""What any client of a server may take: bytes, time, places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from consent_stream.http.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Limits:
    """body: bytes. connections: open at once; a further one is closed unread. body_seconds: for the body after the
    head. idle_seconds: for a whole head, and between two requests. write_seconds: a client that takes nothing of its
    answer.
    """

    body: int = 1024 * 1024
    connections: int = 1000
    body_seconds: float = 10.0
    idle_seconds: float = 60.0
    write_seconds: float = 10.0


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
