"""A gate under watch: asked about everybody all the time, so that no wrong yes goes unseen, however short."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import NamedTuple

from consent_stream import Gate
from consent_stream.gate.checker import Clock
from consent_stream.gate.verdict import Verdict
from tests.faults.deployment import await_that

EVERY = 0.01  # seconds between two rounds
SECOND = 1_000_000


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Yes(NamedTuple):
    """began: when the question was asked (µs, the true time). valid_until: as the answer says, by the gate's clock."""

    email: str
    began: int
    valid_until: int


class SetClock:
    """The clocks of a gate whose wall clock somebody sets: `set_by` microseconds from the true time."""

    def __init__(self) -> None:
        self.set_by = 0
        self.clock = Clock(wall=lambda: now() + self.set_by)


class Watch:
    """Asks `gate` until the block ends; `limit` is the gate's staleness limit in seconds."""

    def __init__(self, gate: Gate, limit: float, tenant: str, scope: str, emails: list[str]) -> None:
        self.gate, self._limit = gate, int(limit * SECOND)
        self._questions = [{"tenant": tenant, "email": each, "scope": scope} for each in emails]
        self._tenant, self._scope, self._emails = tenant, scope, emails
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._failed: list[Exception] = []
        self.yes: list[Yes] = []
        self.rounds = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        assert not self._failed, self._failed

    def _run(self) -> None:
        try:
            while not self._ending.wait(EVERY):
                began = now()
                for email, verdict in zip(self._emails, self.gate.check_many(self._questions), strict=True):
                    if verdict:
                        self.yes.append(Yes(email, began, verdict.valid_until))
                self.rounds += 1
        except Exception as error:
            self._failed.append(error)

    def ask(self, email: str) -> Verdict:
        return self.gate.check(tenant=self._tenant, scope=self._scope, email=email)

    def await_yes(self, email: str, seconds: float = 40) -> None:
        await_that(f"a yes again; {self.gate.status()}", lambda: bool(self.ask(email)), seconds)

    def await_no_proof(self, since: int) -> None:
        """From `since` (µs) on nothing new was proven: there must be no yes that began a limit later, and there is none
        for a while. Ends when that while is over, with the gate saying that it is stale."""
        end = since + self._limit
        await_that("the limit is over", lambda: now() > end + SECOND // 3, self._limit / SECOND + 5)
        before = self.rounds
        await_that("the gate is asked once more", lambda: self.rounds >= before + 3, 10)
        assert [each for each in self.yes if each.began > end] == []
        assert "stale" in self.ask(self._emails[0]).reasons

    def never_after(self, email: str, accepted: int) -> None:
        """No yes may come, or claim to be valid, a limit after a withdrawal had been accepted (µs)."""
        late = [each for each in self.yes if each.email == email and each.began > accepted + self._limit]
        assert late == []
        claims = [each for each in self.yes if each.email == email and each.valid_until > accepted + self._limit]
        assert claims == []
