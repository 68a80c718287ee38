"""Events to the records of one list by the very functions that a worker runs: intake → ledger → fold."""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.policy import Policy
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import Refusal, take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact, encode_fact

LedgerRecord = tuple[bytes, bytes]


class Made(NamedTuple):
    """What came of one event. entries: (subject key, record of the list). refusal: why it is in quarantine."""

    entries: list[LedgerRecord]
    refusal: Refusal | None


class Line:
    """One partition of everything, and a state in memory."""

    def __init__(self, channel: str, policy: Policy, keyring: Keyring) -> None:
        self._channel, self._keyring = channel, keyring
        self._state: dict[bytes, bytes] = {}
        self._events = self._ledger = 0
        self.obey(policy)

    @property
    def events(self) -> int:
        """How many events were taken: the offset of the next one."""
        return self._events

    def obey(self, policy: Policy) -> None:
        """Go on under another policy, as a worker that is started anew does."""
        self._policy, self._folder = policy, Folder(policy)

    def take(self, value: bytes, received: int) -> Made:
        """One event. received: its append time in microseconds."""
        taken = take_in(value, received, (0, self._events), self._policy, self._keyring.subject)
        self._events += 1
        waiting = [(fact.key, encode_fact(fact)) for fact in taken.facts]
        entries: list[LedgerRecord] = []
        while waiting:  # what is derived is folded in turn, until nothing follows
            facts = [(self._ledger + n, decode_fact(*record)) for n, record in enumerate(waiting)]
            self._ledger += len(facts)
            effects = self._folder.fold(facts, [(key, self._state.get(key)) for key in dict(waiting)])
            self._state.update(effects.rows)
            entries += [(key, entry) for channel, key, entry in effects.entries if channel == self._channel]
            waiting = effects.derived
        return Made(entries, taken.refusal)
