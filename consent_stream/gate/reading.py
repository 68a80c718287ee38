"""What a follower has read and a checker answers from: rows, freshness, policy, and whether it is all there.

One thread writes, any thread reads. Readers need no lock, for what they need is one `Known` that is replaced whole.
Who waits for news waits on `news`. Where the rows are kept in a file, what is known is noted there too (`known`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Condition
from typing import NamedTuple

from consent_stream.domain.policy import Policy
from consent_stream.gate.clock import Clock, boot_id
from consent_stream.gate.control import Control
from consent_stream.gate.freshness import Freshness
from consent_stream.gate.known import BEAT, CONTROL, HEAD, NOTHING, Get, Head, Known, Phase
from consent_stream.gate.replica import Notes, Offsets, Origin, Pair, Replica, ReplicaFault, SharedReplica
from consent_stream.gate.rows import settle
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import HEARTBEAT_KEY, SUBJECT_KEY_BYTES
from consent_stream.wire.topics import generation_of
from consent_stream.wire.vector import Heartbeat, decode_heartbeat

SPOOL_FROM = 100_000  # records ahead of an empty store; fewer are through before sorting pays
PULSE = 1_000_000  # microseconds
QUIET = 5_000_000  # microseconds that a follower that begins may take until it says how it stands itself
NULL, VALUE = b"\0", b"\1"  # before the value of a control record, in its note


class Record(NamedTuple):
    """A record of the list or of the control topic, as far as it matters here."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


Plain = tuple[int, int, bytes | None, bytes | None]  # a Record, where millions of them are made


class Reading:
    """The state of one gate. `known.complete` is False until an answer may rest on what was read.

    policy: decide by this one, whatever the control topic says; then a gate needs no control record at all.
    """

    pace: float | None = None  # seconds between two looks of who waits, where nobody can call for news

    def __init__(self, replica: Replica, policy: Policy | None = None, clock: Clock | None = None) -> None:
        self.replica = replica
        self._shared = replica if isinstance(replica, SharedReplica) else None
        self.phase: Phase = "connecting"
        self.trouble: str | None = None
        self.alarms: Counter[str] = Counter()
        self.freshness = Freshness(0)
        self.control = Control(policy, self.alarms)
        self.control_at: int | None = None
        self.session = 0  # changes before rows may vanish: an answer that spans two sessions is none
        self.known = NOTHING
        self.storing = False  # more was heard of in heartbeats than is in the replica
        self.ending = False  # set by who closes: a store that is being filled is left as it is
        self.progress = (0, 0)  # records of the list taken in since the session began, and that lay ahead of it then
        self.news = Condition()
        self._clock = clock or Clock()
        self._boot = boot_id()
        self._origin = ""
        self._caught_up = False
        self._spooling = False
        self._ahead: dict[int, int] = {}  # offsets behind what is in the spool
        self._quiet = True  # what was noted before is still true, and better than what is known yet
        self._quiet_end = self._clock.steady() + QUIET
        self._notes: dict[bytes, bytes] = {}  # of the heartbeats and of consent.control
        self._told = 0
        self._noted = 0  # when, on the steady clock

    def look(self) -> tuple[Known, Get]:
        """What is known now, and how to find rows; they may be newer, which can only say more."""
        return self.known, self.replica.get

    def begin(self, origin: Origin) -> Offsets:
        """A session with Kafka starts: nothing heard before holds until it has caught up again."""
        self._lose("catching up", None, note=False)
        self.control.begin(generation_of(origin.topic))
        self.control_at = None
        self.freshness = Freshness(origin.partitions)
        self._quiet, self._origin = True, origin.topic
        kept = self.replica.open(origin)
        self._quiet, self._notes = bool(kept), {}
        self._quiet_end = self._clock.steady() + QUIET
        self._spooling, self._ahead = False, {}
        self._note({})
        return kept

    def expect(self, records: int) -> None:
        """So many records of the list lie ahead."""
        self.progress = (0, records)
        self._spooling = records >= SPOOL_FROM and self._shared is not None and not len(self.replica)

    def caught_up(self) -> None:
        """All that was in the topics when the session began is in the replica. Errors: ReplicaFault."""
        if self._spooling and self._shared is not None:
            self._shared.fill(self._settle_bin, self._ahead)
            self._spooling, self._ahead, self.storing = False, {}, False
        self._caught_up = True
        self._change("following", None)
        self._note(self._notes)

    def refuse(self, trouble: str) -> None:
        """The topic is not fit to be obeyed; `trouble` says why in one line, without an address."""
        self._lose("refused", trouble)

    def interrupt(self, trouble: str | None) -> None:
        """Kafka is away, or there again (None). All else stays: without news the replica grows stale."""
        self._change(self.phase, trouble)
        self._note({})

    def reconnect(self, trouble: str) -> None:
        """The session is over and a new one must begin."""
        self._lose("connecting", trouble)

    def told_alarms(self) -> Counter[str]:
        """How often something came that should not."""
        return Counter(self.alarms)

    def __len__(self) -> int:
        return len(self.replica)

    def close(self) -> None:
        """No more news: every later answer is `not_ready`. (Not in other processes: there it grows stale.)"""
        self._lose("closed", None, note=False)

    def take(self, records: Iterable[Record | Plain], wall: int, steady: int) -> None:
        """Records of the list in the order of each partition; `wall`, `steady` are the two clocks in microseconds."""
        self.storing = True
        pairs: list[Pair] = []
        taken = 0
        offsets: dict[int, int] = {}
        beats: dict[int, bytes | None] = {}
        for partition, offset, key, value in records:
            offsets[partition] = offset + 1
            taken += 1
            if key == HEARTBEAT_KEY:
                beats[partition] = value  # a later one of the same partition says all that an earlier one said
            elif key is None or len(key) != SUBJECT_KEY_BYTES:
                self.alarms["foreign_key"] += 1
            else:
                pairs.append((key, value))
        for partition, value in beats.items():
            self._hear(partition, value, wall, steady)
        notes = {BEAT + b"%d" % q: value or b"" for q, value in beats.items()}
        self._remember(notes)
        if self._spooling and self._shared is not None:
            self._shared.spool(pairs)
            self._ahead.update(offsets)
        elif self._shared is not None:
            self._shared.write(self._settle(pairs), offsets, self._with_head(notes, steady))
        else:
            self.replica.apply(self._settle(pairs), offsets)
        self.progress = (self.progress[0] + taken, self.progress[1])
        # Only now: a heartbeat speaks for the records before it, and they must be in the replica.
        self.storing = self._spooling
        self._tell()

    def take_control(self, records: Iterable[Record]) -> None:
        """Records of `consent.control`."""
        notes = {}
        for record in records:
            if self.control.take(record.key, record.value):
                notes[CONTROL + (record.key or b"")] = NULL if record.value is None else VALUE + record.value
        if self.control.counts is not None:
            self.freshness.expect(self.control.counts.events)
        self._remember(notes)
        self._tell()
        self._note(notes)

    def control_proven(self, steady: int | None) -> None:
        """Nothing that was in `consent.control` at that instant is unread; None says nothing."""
        if steady is not None and (self.control_at is None or steady > self.control_at):
            self.control_at = steady
            self._tell()
            self._note({})

    @property
    def why_incomplete(self) -> str | None:
        """One line on what is lacking; None when nothing is."""
        if not self._caught_up:
            return self.trouble or self.phase
        return self.control.lacking(self.freshness.partitions)

    def _settle(self, pairs: list[Pair]) -> Mapping[bytes, bytes]:
        """The rows that stand after these records, of keys where that changes something."""
        rows: dict[bytes, bytes] = {}
        get: Get = _nothing if self._spooling else self.replica.get  # a store is empty until it is filled
        for key, value in pairs:
            row, alarm = settle(rows.get(key) or get(key), value)
            if alarm:
                self.alarms[alarm] += 1
            if row is not None:
                rows[key] = row
        return rows

    def _settle_bin(self, pairs: list[Pair]) -> Mapping[bytes, bytes]:
        if self.ending:
            raise ReplicaFault("the gate was closed before its list was stored")
        self.pulse()
        return self._settle(pairs)

    def _hear(self, partition: int, value: bytes | None, wall: int, steady: int) -> None:
        beat: Heartbeat | None = None
        try:
            beat = decode_heartbeat(value or b"")
        except WireError:
            self.alarms["unreadable_heartbeat"] += 1
        if beat is not None and not self.freshness.hear(partition, beat, wall, steady):
            self.alarms["foreign_heartbeat"] += 1

    def pulse(self) -> None:
        """Say in the file that its follower lives, if nothing was noted for `PULSE`. Call it often."""
        if self._clock.steady() - self._noted > PULSE:
            self._note({})

    def reclaim(self) -> None:
        """Let go of what readers of the file that were killed held on to. Errors: ReplicaFault."""
        if self._shared is not None:
            self._shared.reclaim()

    def _remember(self, notes: Notes) -> None:
        if notes:
            self._notes.update(notes)
            self._told += 1

    def _with_head(self, notes: Notes, steady: int) -> Notes:
        """Notes to be written, and the head that goes with them."""
        fresh = self.freshness
        if self._quiet:
            proven = self._caught_up and fresh.applied and fresh.settled and self.control_at is not None
            if not proven and steady < self._quiet_end:
                return {}
            self._quiet, notes = False, self._notes
        self._noted = steady
        head = Head(
            boot=self._boot,
            pid=os.getpid(),
            origin=self._origin,
            written=steady,
            phase=self.phase,
            trouble=self.trouble,
            caught_up=self._caught_up,
            partitions=fresh.partitions,
            applied=fresh.applied,
            settled=fresh.settled,
            control_at=self.control_at,
            told=self._told,
            names=[name.removeprefix(CONTROL).hex() for name in self._notes if name.startswith(CONTROL)],
            alarms=self.alarms,
        )
        return {**notes, HEAD: head.encode()}

    def _note(self, notes: Notes) -> None:
        """Tell the readers of the file. What cannot be written makes them stale, and the next batch of rows a fault."""
        noted = self._with_head(notes, self._clock.steady()) if self._shared is not None else {}
        if self._shared is not None and noted:
            try:
                self._shared.write({}, {}, noted)
            except ReplicaFault:
                self.alarms["replica_fault"] += 1

    def _lose(self, phase: Phase, trouble: str | None, *, note: bool = True) -> None:
        self._caught_up = False
        self._change(phase, trouble)
        self.session += 1
        self._tell()
        if note:
            self._quiet = False
            self._note({})

    def _change(self, phase: Phase, trouble: str | None) -> None:
        self.phase, self.trouble = phase, trouble
        self._tell()

    def _tell(self) -> None:
        control, fresh = self.control, self.freshness
        self.known = Known(
            session=self.session,
            complete=self.why_incomplete is None,
            applied=fresh.applied,
            settled=fresh.settled,
            control_at=self.control_at,
            policy=control.policy,
            keys=control.keys,
            stops=control.stops,
        )
        with self.news:
            self.news.notify_all()


def _nothing(key: bytes) -> None:
    return None
