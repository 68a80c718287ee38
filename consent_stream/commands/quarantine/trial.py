"""What a quarantined record would become today: through the worker's own intake, as `simulate` does it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.inspection.partwords import sort_of
from consent_stream.inspection.quarantine import Held
from consent_stream.topology.intake import take_in
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import ROOT_KEY_BYTES, Keyring
from consent_stream.wire.ledger import decode_fact

# Whether a record is understood does not hang on the keys, and on-call has none.
_NOBODYS = Keyring({0: bytes(ROOT_KEY_BYTES)})


class Outcome(NamedTuple):
    """code: under which it would go to quarantine again, None for under none. says: what of it would be applied.
    refused: how many events of it would not be understood."""

    code: str | None
    says: tuple[str, ...]
    refused: int = 0

    def __str__(self) -> str:
        applied = f"accepted as {', '.join(self.says)}" if self.says else "accepted, changes nothing"
        if self.code is None:
            return applied
        return f"{applied}; the rest again {self.code}" if self.says else f"again {self.code}"

    def is_progress(self, held: Held) -> bool:
        """Whether more of it would be understood than was. A "no" that was applied the first time is no reason to put
        a record back: the rest would come back, again and again."""
        if self.code is None:
            return True
        return bool(self.says) and (self.code != held.code or self.refused < max(1, len(held.events)))


def outcome(held: Held, policy: Policy, now: int) -> Outcome:
    """What would become of a record that is put back at an instant (µs)."""
    if held.stage != "intake":
        try:
            return Outcome(None, _said([decode_fact(held.key, held.value or b"")]))
        except WireError as error:
            return Outcome(error.code, (), 1)
    taken = take_in(held.value, now, held.source or (0, 0), policy, _NOBODYS.subject)
    said = _said(taken.facts)
    if taken.refusal is None:
        return Outcome(None, said)
    # A refused event of a known type links what it names; that alone is not worth a word.
    return Outcome(taken.refusal.code, () if said == ("link",) else said, max(1, len(taken.refusal.events)))


def _said(facts: Iterable[Fact]) -> tuple[str, ...]:
    sorts = {sort_of(part) for fact in facts for part in fact.parts}
    return tuple(sorted(sorts, key=lambda sort: (sort == "link", sort)))
