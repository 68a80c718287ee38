"""A gate for tests: no Kafka, no keys, no thread. It is fed with events and answers as a real one fed with the same.

1. Nothing here decides. Events go through the worker's own functions into list records, heartbeats and switches go the
   same way as those of a real list, and the methods of `Gate` answer from them.
2. Time passes by itself as everywhere, and by `pass_time`. An event counts from the moment it is published.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from consent_stream.domain.policy import read_policy
from consent_stream.gate.checker import Checker
from consent_stream.gate.clock import Clock
from consent_stream.gate.gate import Gate
from consent_stream.gate.known import Get, Known
from consent_stream.gate.reading import Reading, Record
from consent_stream.gate.replica import MemoryReplica, Origin
from consent_stream.gate.sending import Desk
from consent_stream.testing.line import Line, Made
from consent_stream.testing.people import grant, policy_with_us, restriction
from consent_stream.wire.control import Partitions, encode_partitions, encode_policy
from consent_stream.wire.keys import HEARTBEAT_KEY, ROOT_KEY_BYTES, Keyring
from consent_stream.wire.send import Send
from consent_stream.wire.stops import EVERY, Stop, encode_stop
from consent_stream.wire.topics import SUPPRESSION
from consent_stream.wire.vector import Heartbeat, Point, encode_heartbeat

SECOND = 1_000_000


class Refused(ValueError):
    """An event went to quarantine, where a real worker puts it without a word to the sender. code: why."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")


class FakeGate(Gate):
    """A `Gate` that a test feeds. It starts empty and ready: everybody is denied `no_consent`.

        gate = FakeGate()
        gate.allow(tenant="acme", email="ana@example.com", scope="news")
        gate.deny(tenant="acme", email="ben@example.com", reasons=("complaint",))
        gate.publish({"specversion": "1.0", "type": "unsubscribe.oneclick.v1", …})
        gate.grow_stale(); gate.recover(); gate.stop(); gate.resume(); gate.pass_time(seconds)

    channel, staleness_limit: as in `Gate`. policy: the table of a policy file, as `tomllib` reads it; default: every
    tenant with default rules. ready: False for a gate that is still loading; `recover` ends that.

    `sends` holds what `sending` recorded, oldest first. `wait_ready` and `wait_for` answer at once, for nothing comes
    by itself. Any thread may ask and feed.
    """

    def __init__(
        self,
        *,
        channel: str = "email",
        policy: Mapping[str, Any] | None = None,
        staleness_limit: float = 10.0,
        ready: bool = True,
    ) -> None:
        if not staleness_limit > 0:
            raise ValueError("staleness_limit: more than 0 seconds")
        if channel not in SUPPRESSION:
            raise ValueError(f"channel: one of {', '.join(SUPPRESSION)}")
        self._table: Mapping[str, Any] = policy or {}
        self._any_tenant = policy is None
        self._limit, self._ahead, self._beating = int(staleness_limit * SECOND), 0, ready
        self._lock = threading.RLock()
        self._waiting: list[tuple[bytes, int]] = []  # events that nobody works on while the gate is stale
        self._taken = self._accepted = self._made = self._received = self._control_next = 0
        self.sends: list[Send] = []
        clock = Clock(lambda: time.time_ns() // 1000 + self._ahead, lambda: time.monotonic_ns() // 1000 + self._ahead)
        keyring = Keyring({0: bytes(ROOT_KEY_BYTES)})
        self._clock = clock
        self._line = Line(channel, read_policy(self._table), keyring)
        self._reading = _Fed(self._beat, clock)
        self._feed = self._reading
        self._list, self._follower, self._reporter = SUPPRESSION[channel].name, None, None
        self._checker = Checker(channel, self._reading, keyring, staleness_limit, clock)
        self._sends = _Sends(self.sends)  # type: ignore[assignment]  # the same, without a Kafka behind it
        self._desk = Desk(lambda asked: self.check(**asked._asdict()), channel, keyring, clock, self._sends)
        self._feed.begin(Origin("", self._list, "", 1))
        self._control(encode_policy(self._table.get("tenants", {})), encode_partitions(Partitions(1, 1)))
        if ready:
            self.recover()

    # -- what people do

    def publish(self, event: Mapping[str, Any], *, received: int | None = None) -> tuple[int, int]:
        """One CloudEvent, as `consent-stream publish` sends it. received: append time in microseconds; default now.

        Returns: its receipt, for `wait_for`. Errors: Refused when the worker would put it into quarantine; what is in
        it besides is applied, as there.
        """
        value = orjson.dumps(event)
        with self._lock:
            self._received = max(self._clock.wall(), self._received + 1)
            received = self._received if received is None else received
            place, self._accepted = (0, self._accepted), self._accepted + 1
            self._waiting.append((value, received))
            if not self._beating:
                return place
            (made,) = self._work()
        if made.refusal is not None:
            raise Refused(made.refusal.code, made.refusal.message)
        return place

    def allow(
        self,
        *,
        tenant: str,
        email: str | None = None,
        phone: str | None = None,
        contact: str | None = None,
        scope: str = "*",
        **data: Any,
    ) -> tuple[int, int]:
        """Somebody says yes, with the strongest proof (E4), and the mail arrives. Undoes an earlier no of that scope.

        data: what else the event shall hold: `purpose`, `valid_until`, `evidence`, `names` for a no of another scope.
        Returns, errors: as `publish`.
        """
        person = {"email": email, "phone": phone, "contact": contact}
        with self._lock:
            self._admit(tenant)
            at = max(self._clock.wall(), self._received + 1)
            return self.publish(grant(self._number(), at, tenant, person, scope=scope, **data), received=at)

    def withdraw(
        self,
        *,
        tenant: str,
        email: str | None = None,
        phone: str | None = None,
        contact: str | None = None,
        scope: str = "*",
    ) -> tuple[int, int]:
        """Somebody unsubscribes. Returns: as `publish`."""
        person = {"email": email, "phone": phone, "contact": contact}
        with self._lock:
            return self.publish(restriction(self._number(), "unsubscribed", tenant, person, scope))

    def deny(
        self,
        *,
        tenant: str,
        email: str | None = None,
        phone: str | None = None,
        contact: str | None = None,
        scope: str = "*",
        reasons: tuple[str, ...] = ("unsubscribed",),
    ) -> tuple[int, int]:
        """Somebody who had said yes to that scope is now denied for these reasons, by the events that make them.

        Returns: the receipt of the last. Errors: ValueError for no reasons, or one that no event makes (`stale`: see
        `grow_stale`; `no_consent`: say nothing).
        """
        if isinstance(reasons, str) or not reasons:
            raise ValueError("deny: reasons is a tuple of at least one")
        person = {"email": email, "phone": phone, "contact": contact}
        with self._lock:
            last = [restriction(self._number(), reason, tenant, person, scope) for reason in reasons]
            self.allow(tenant=tenant, email=email, phone=phone, contact=contact, scope=scope)
            return [self.publish(event) for event in last][-1]

    # -- what befalls a gate

    def grow_stale(self) -> None:
        """No worker runs any more, and the limit passes: everything is denied `stale`. Events wait until `recover`."""
        with self._lock:
            self._beating = False
            self.pass_time(self._limit / SECOND + 1)

    def recover(self) -> None:
        """Workers run and the list is read: events that waited are applied, and answers are given.

        Errors: Refused for the first of those events that went to quarantine.
        """
        with self._lock:
            self._beating = True
            made = self._work()
            if self._feed.phase == "catching up":
                self._feed.caught_up()
        for each in made:
            if each.refusal is not None:
                raise Refused(each.refusal.code, each.refusal.message)

    def stop(self, *, tenant: str = EVERY, channel: str = EVERY, reason: str = "a test") -> None:
        """`consent-stream stop-sending`: the kill switch, for all tenants and channels or some."""
        self._switch(Stop(True, reason, "test", self._clock.wall()), tenant, channel)

    def resume(self, *, tenant: str = EVERY, channel: str = EVERY, reason: str = "a test") -> None:
        """`consent-stream resume`, of the same switch."""
        self._switch(Stop(False, reason, "test", self._clock.wall()), tenant, channel)

    def pass_time(self, seconds: float) -> None:
        """Put the clock of this gate forward. A permit that is held meanwhile may lapse; the list stays fresh."""
        with self._lock:
            self._ahead += int(seconds * SECOND)

    # -- the worker's side

    def _wait(self, seconds: float, reached: Callable[[], bool]) -> bool:
        return self._reading.phase != "closed" and reached()

    def _number(self) -> int:
        self._made += 1
        return self._made

    def _admit(self, tenant: str) -> None:
        """The short forms speak under a source and a notice of their own; rules of tenants stay as they are."""
        if not self._any_tenant and tenant not in self._table.get("tenants", {}):
            raise ValueError(f"the policy has no tenant {tenant!r}: a permission for it is refused")
        self._table = table = policy_with_us(self._table, tenant)
        self._line.obey(read_policy(table))
        self._control(encode_policy(table["tenants"]))

    def _work(self) -> list[Made]:
        made = [self._line.take(*each) for each in self._waiting]
        self._waiting.clear()
        rows = [entry for each in made for entry in each.entries]
        self._take(*rows)
        self._beat()
        return made

    def _take(self, *rows: tuple[bytes, bytes]) -> None:
        records = [Record(0, self._taken + n, *row) for n, row in enumerate(rows)]
        self._taken += len(records)
        self._feed.take(records, self._clock.wall(), self._clock.steady())

    def _beat(self) -> None:
        with self._lock:
            if self._beating and self._feed.phase != "closed":
                now = self._clock.wall()
                vector = {0: Point(self._line.events, now)}
                self._take((HEARTBEAT_KEY, encode_heartbeat(Heartbeat(0, 0, 1, now, vector, vector))))
                self._feed.control_proven(self._clock.steady())

    def _switch(self, stop: Stop, tenant: str, channel: str) -> None:
        with self._lock:
            self._control(encode_stop(tenant, channel, stop))

    def _control(self, *records: tuple[bytes, bytes]) -> None:
        self._feed.take_control([Record(0, self._control_next + n, *each) for n, each in enumerate(records)])
        self._control_next += len(records)


class _Fed(Reading):
    """A reading whose list is as fresh as its worker says at the moment of a question."""

    def __init__(self, beat: Callable[[], None], clock: Clock) -> None:
        super().__init__(MemoryReplica(), clock=clock)
        self._before = beat

    def look(self) -> tuple[Known, Get]:
        """See `Reading`."""
        self._before()
        return super().look()


class _Sends:
    """A `SendLog` that a test can look into."""

    sender, gate, lost = "test", "fake", 0

    def __init__(self, sends: list[Send]) -> None:
        self._sends = sends

    def write(self, send: Send) -> None:
        """See `SendLog`."""
        self._sends.append(send)

    def close(self) -> None:
        """Nothing is on its way."""
