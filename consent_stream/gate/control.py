"""What `consent.control` says to a gate: the policy, the partition counts, the root keys in use, the kill switches.

One that cannot be read leaves nothing in place of what it replaced, and a switch that cannot be read is on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from consent_stream.domain.policy import Policy
from consent_stream.wire import stops
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import (
    ACTIVE,
    FIRST,
    KEYS,
    PARTITIONS,
    POLICY,
    Partitions,
    decode_active,
    decode_keys,
    decode_partitions,
    decode_policy,
    named,
)

T = TypeVar("T")
UNREADABLE = {"?": "?"}  # fingerprints that no key file has: nobody knows which keys the list is written with


class Control:
    """policy: decide by this one, whatever the topic says; then a gate needs no control record at all.

    generation: of the list that is read. active: the one that gates obey, None when nobody can tell.
    """

    def __init__(self, policy: Policy | None, alarms: Counter[str], generation: int = 0) -> None:
        self.policy = policy
        self.generation = generation
        self.active: int | None = FIRST.generation
        self.counts: Partitions | None = None
        self.keys: dict[str, str] = {}  # fingerprints of the root keys that the list is written with
        self.stops: dict[stops.Covered, stops.Stop] = {}  # kill switches that are on
        self._pinned = policy is not None
        self._alarms = alarms

    def begin(self, generation: int) -> None:
        """The topic is read anew from its beginning, for a list of that generation."""
        self.generation, self.active = generation, FIRST.generation
        if not self._pinned:
            self.policy, self.counts = None, None
        self.stops = {}

    def take(self, key: bytes | None, value: bytes | None) -> bool:
        """One record; False when it says nothing to a gate."""
        policy, partitions, keys = (named(name, self.generation) for name in (POLICY, PARTITIONS, KEYS))
        if key == policy and not self._pinned:
            self.policy = self._read(decode_policy, value)
        elif key == partitions:
            self.counts = self._read(decode_partitions, value)
        elif key == keys:
            self.keys = self._read(decode_keys, value) or UNREADABLE
        elif key == ACTIVE:
            found = self._read(decode_active, value)
            self.active = None if found is None else found.generation
        elif (covered := stops.covered(key or b"")) is not None:
            stop = self._read(stops.decode_stop, value) or stops.UNREADABLE
            others = {each: on for each, on in self.stops.items() if each != covered}
            self.stops = {**others, covered: stop} if stop.stopped else others
        else:
            return key == policy
        return True

    def lacking(self, partitions: int) -> str | None:
        """One line on what is lacking for a list of so many partitions; None when nothing is."""
        if self.active is None:
            return "the record in consent.control of which generation to obey cannot be read"
        if self.policy is None:
            return "no readable policy in consent.control yet: has a worker started?"
        if self.counts is None:
            if self._pinned:
                return None
            return "no readable partition counts in consent.control yet: has a worker started?"
        if self.counts.ledger != partitions:
            return f"the list has {partitions} partitions, the ledger {self.counts.ledger}"
        return None

    def _read(self, decode: Callable[[bytes | None], T], value: bytes | None) -> T | None:
        try:
            return decode(value)
        except WireError as error:
            self._alarms[error.code] += 1
            return None
