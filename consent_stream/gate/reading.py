"""What a follower has read and a checker answers from: rows, freshness, policy, and whether it is all there.

One thread writes, any thread reads. Readers need no lock, for each thing they read is one reference that is replaced
whole. Who waits for news waits on `news`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Condition
from typing import Literal, NamedTuple, TypeVar

from consent_stream.domain.policy import Policy
from consent_stream.gate.freshness import Freshness
from consent_stream.gate.replica import Offsets, Origin, Replica
from consent_stream.gate.rows import settle
from consent_stream.wire import stops
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import (
    KEYS,
    PARTITIONS,
    POLICY,
    Partitions,
    decode_keys,
    decode_partitions,
    decode_policy,
)
from consent_stream.wire.keys import HEARTBEAT_KEY, SUBJECT_KEY_BYTES
from consent_stream.wire.vector import Heartbeat, decode_heartbeat

T = TypeVar("T")
UNREADABLE = {"?": "?"}  # fingerprints that no key file has: nobody knows which keys the list is written with
Phase = Literal["connecting", "catching up", "following", "refused", "closed"]


class Record(NamedTuple):
    """A record of the list or of the control topic, as far as it matters here."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Reading:
    """The state of one gate. `complete` is False until an answer may rest on what was read.

    policy: decide by this one, whatever the control topic says; then a gate needs no control record at all.
    """

    def __init__(self, replica: Replica, policy: Policy | None = None) -> None:
        self.replica = replica
        self.phase: Phase = "connecting"
        self.trouble: str | None = None
        self.alarms: Counter[str] = Counter()
        self.freshness = Freshness(0)
        self.policy = policy
        self.counts: Partitions | None = None
        self.keys: dict[str, str] = {}  # fingerprints of the root keys that the list is written with
        self.stops: dict[stops.Covered, stops.Stop] = {}  # kill switches that are on
        self.control_at: int | None = None  # all that was in consent.control at that instant (µs, steady) is obeyed
        self.complete = False
        self.session = 0  # changes before rows may vanish: an answer that spans two sessions is none
        self.news = Condition()
        self._pinned = policy is not None
        self._caught_up = False

    def begin(self, origin: Origin) -> Offsets:
        """A session with Kafka starts: nothing heard before holds until it has caught up again."""
        self._lose("catching up", None)
        if not self._pinned:
            self.policy, self.counts = None, None
        self.stops, self.control_at = {}, None
        self.freshness = Freshness(origin.partitions)
        return self.replica.open(origin)

    def caught_up(self) -> None:
        """All that was in the topics when the session began is in the replica."""
        self._caught_up = True
        self._change("following", None)

    def refuse(self, trouble: str) -> None:
        """The topic is not fit to be obeyed; `trouble` says why in one line, without an address."""
        self._lose("refused", trouble)

    def interrupt(self, trouble: str | None) -> None:
        """Kafka is away, or there again (None). All else stays: without news the replica grows stale."""
        self._change(self.phase, trouble)

    def reconnect(self, trouble: str) -> None:
        """The session is over and a new one must begin."""
        self._lose("connecting", trouble)

    def close(self) -> None:
        """No more news: every later answer is `not_ready`."""
        self._lose("closed", None)

    def take(self, records: Iterable[Record], wall: int, steady: int) -> None:
        """Records of the list in the order of each partition; `wall`, `steady` are the two clocks in microseconds."""
        rows: dict[bytes, bytes] = {}
        offsets: dict[int, int] = {}
        beats: dict[int, bytes | None] = {}
        for partition, offset, key, value in records:
            offsets[partition] = offset + 1
            if key == HEARTBEAT_KEY:
                beats[partition] = value  # a later one of the same partition says all that an earlier one said
            elif key is None or len(key) != SUBJECT_KEY_BYTES:
                self.alarms["foreign_key"] += 1
            else:
                row, alarm = settle(rows.get(key) or self.replica.get(key), value)
                if alarm:
                    self.alarms[alarm] += 1
                if row is not None:
                    rows[key] = row
        self.replica.apply(rows, offsets)
        # Only now: a heartbeat speaks for the records before it, and they must be in the replica.
        for partition, value in beats.items():
            self._hear(partition, value, wall, steady)
        self._tell()

    def take_control(self, records: Iterable[Record]) -> None:
        """Records of `consent.control`. One that cannot be read leaves nothing in place of what it replaced."""
        for record in records:
            if record.key == POLICY and not self._pinned:
                self.policy = self._read(decode_policy, record.value)
            elif record.key == PARTITIONS:
                self.counts = self._read(decode_partitions, record.value)
                if self.counts is not None:
                    self.freshness.expect(self.counts.events)
            elif record.key == KEYS:
                self.keys = self._read(decode_keys, record.value) or UNREADABLE
            elif (covered := stops.covered(record.key or b"")) is not None:
                stop = self._read(stops.decode_stop, record.value) or stops.UNREADABLE
                others = {each: on for each, on in self.stops.items() if each != covered}
                self.stops = {**others, covered: stop} if stop.stopped else others
        self._tell()

    def control_proven(self, steady: int | None) -> None:
        """Nothing that was in `consent.control` at that instant is unread; None says nothing."""
        if steady is not None and (self.control_at is None or steady > self.control_at):
            self.control_at = steady
            self._tell()

    def stopped(self, tenant: str, channel: str) -> bool:
        """Whether a kill switch is on for a tenant's messages in a channel."""
        on = self.stops
        return any((t, c) in on for t in (tenant, stops.EVERY) for c in (channel, stops.EVERY))

    def _read(self, decode: Callable[[bytes | None], T], value: bytes | None) -> T | None:
        try:
            return decode(value)
        except WireError as error:
            self.alarms[error.code] += 1
            return None

    @property
    def why_incomplete(self) -> str | None:
        """One line on what is lacking; None when nothing is."""
        if not self._caught_up:
            return self.trouble or self.phase
        if self.policy is None:
            return "no readable policy in consent.control yet: has a worker started?"
        if self.counts is None:
            return (
                None if self._pinned else "no readable partition counts in consent.control yet: has a worker started?"
            )
        if self.counts.ledger != self.freshness.partitions:
            return f"the list has {self.freshness.partitions} partitions, the ledger {self.counts.ledger}"
        return None

    def _hear(self, partition: int, value: bytes | None, wall: int, steady: int) -> None:
        beat: Heartbeat | None = None
        try:
            beat = decode_heartbeat(value or b"")
        except WireError:
            self.alarms["unreadable_heartbeat"] += 1
        if beat is not None and not self.freshness.hear(partition, beat, wall, steady):
            self.alarms["foreign_heartbeat"] += 1

    def _lose(self, phase: Phase, trouble: str | None) -> None:
        self._caught_up = False
        self._change(phase, trouble)
        self.session += 1

    def _change(self, phase: Phase, trouble: str | None) -> None:
        self.phase, self.trouble = phase, trouble
        self._tell()

    def _tell(self) -> None:
        self.complete = self.why_incomplete is None
        with self.news:
            self.news.notify_all()
