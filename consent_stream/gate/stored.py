"""A reading that another process does: what its follower noted in the file, looked up at every question.

1. Nothing is remembered longer than the file says it: notes are decoded anew when the file was written to.
2. Who follows may end. Then nothing changes any more, and what is known grows stale as if Kafka were away.
3. What was written in another boot, or by a clock that is before ours, is no proof of freshness.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from threading import Condition, Lock
from time import monotonic
from typing import NamedTuple

from consent_stream.domain.policy import Policy
from consent_stream.gate.clock import Clock, boot_id
from consent_stream.gate.control import Control
from consent_stream.gate.freshness import Freshness
from consent_stream.gate.known import BEAT, CONTROL, HEAD, NOTHING, Get, Head, Known, Phase, decode_head
from consent_stream.gate.lmdb_reader import LmdbReader, Snapshot
from consent_stream.gate.reading import VALUE
from consent_stream.gate.replica import ReplicaFault
from consent_stream.wire.avro import WireError
from consent_stream.wire.topics import generation_of
from consent_stream.wire.vector import decode_heartbeat

SILENT = 3_000_000  # microseconds without a word after which a follower is missed; it says one a second
LOOK_AGAIN = 1.0  # seconds of silence after which one looks whether the file is still the one that is written
RUNNING = "is `consent-stream gate follow` running?"


class _Noted(NamedTuple):
    """What was decoded, and from which writing of which file. told: which writing of the notes beside the head."""

    number: tuple[int, int]
    head: Head | None
    told: tuple[int, int] | None
    control: Control
    known: Known


class StoredReading:
    """Answers from the store at `path`, which `consent-stream gate follow` or another gate keeps up to date.

    channel_list: name of the list that it must hold, without the prefix of a deployment. policy: as in `Reading`.
    """

    pace = 0.005
    progress = (0, 0)
    storing = False  # heartbeats and rows are written together
    session = 0  # a look is of one instant of one file, so that no answer spans two

    def __init__(self, path: Path, channel_list: str, policy: Policy | None = None, clock: Clock | None = None) -> None:
        self.alarms: Counter[str] = Counter()
        self.news = Condition()
        self._reader = LmdbReader(path)
        self._path, self._list, self._policy = path, channel_list, policy
        self._clock = clock or Clock()
        self._boot = boot_id()
        self._mutex = Lock()
        self._noted: _Noted | None = None
        self._heard = 0.0
        self._fault = ""
        self._closed = False

    def look(self) -> tuple[Known, Get]:
        """What is known, and the rows that go with it, of one instant of the file. Do not keep the second."""
        try:
            snapshot = self._reader.look()
        except ReplicaFault as fault:
            self._fault = str(fault)
            return NOTHING, _nothing
        noted = self._noted
        if noted is None or noted.number != snapshot.number:
            noted = self._decode(snapshot)
        elif monotonic() - self._heard > LOOK_AGAIN:
            self._heard = monotonic()
            self._reader.look_again()
        return noted.known, snapshot.get

    @property
    def phase(self) -> Phase:
        """How the follower stands, or stood when it last wrote."""
        if self._closed:
            return "closed"
        head = self._head()
        return "connecting" if head is None else head.phase

    @property
    def trouble(self) -> str | None:
        """One line on what is wrong, with the file, its follower, or the follower's Kafka; None when nothing is."""
        head = self._head()
        if head is None or self._closed:
            return self._fault or f"{self._path}: no follower has written here yet; {RUNNING}"
        if head.boot != self._boot:
            return f"no follower has written since this machine started; {RUNNING}"
        silent = self._clock.steady() - head.written
        if not 0 <= silent < SILENT:
            return f"no follower has written for {silent / 1e6:.0f} s; {RUNNING}"
        if not self._fits(head):
            return f"{self._path} holds {head.origin}, not {self._list}: each channel has a directory of its own"
        return head.trouble

    @property
    def why_incomplete(self) -> str | None:
        """One line on what is lacking; None when nothing is."""
        head, noted = self._head(), self._noted
        if head is None or noted is None:
            return self.trouble
        if not head.caught_up:
            return head.trouble or head.phase
        return noted.control.lacking(head.partitions)

    @property
    def freshness(self) -> Freshness:
        """What the follower heard; the ages in it are not those of `look`."""
        head = self._head()
        found = Freshness(0 if head is None else head.partitions)
        try:
            beats = self._reader.look().notes(BEAT)
        except ReplicaFault:
            return found
        for q, value in beats.items():
            try:
                found.hear(int(q), decode_heartbeat(value), 0, 0)
            except (WireError, ValueError):  # counted by the follower
                continue
        return found

    def __len__(self) -> int:
        return len(self._reader)

    def told_alarms(self) -> Counter[str]:
        """The alarms of the follower, and our own."""
        head = self._head()
        return self.alarms + Counter({} if head is None else dict(head.alarms))

    def close(self) -> None:
        """No more answers: every later one is `not_ready`."""
        self._closed, self._fault = True, "closed"
        self._reader.close()

    def _head(self) -> Head | None:
        self.look()
        return None if self._fault or self._noted is None else self._noted.head

    def _decode(self, snapshot: Snapshot) -> _Noted:
        with self._mutex:
            head = decode_head(snapshot.note(HEAD))
            told = None if head is None else (snapshot.number[0], head.told)
            before = self._noted
            if before is not None and before.told == told is not None:
                control = before.control
            else:
                generation = 0 if head is None else generation_of(head.origin)
                control = Control(self._policy, Counter(), generation)  # the follower counts what it cannot read
                for name, note in snapshot.notes(CONTROL).items():
                    if head is not None and name.hex() in head.names:
                        control.take(name, note[1:] if note[:1] == VALUE else None)
            self._fault, self._heard = "", monotonic()
            self._noted = _Noted(snapshot.number, head, told, control, self._known(head, control))
            return self._noted

    def _known(self, head: Head | None, control: Control) -> Known:
        if head is None or head.boot != self._boot or not head.boot or not self._fits(head):
            return NOTHING
        return Known(
            session=self.session,
            complete=head.caught_up and control.lacking(head.partitions) is None,
            applied=head.applied,
            settled=head.settled,
            control_at=head.control_at,
            policy=control.policy,
            keys=control.keys,
            stops=control.stops,
        )

    def _fits(self, head: Head) -> bool:
        """Whether the list is the one of our channel, of whatever deployment and generation."""
        return re.fullmatch(rf".*{re.escape(self._list)}(\.g\d+)?", head.origin) is not None


def _nothing(key: bytes) -> None:
    return None
