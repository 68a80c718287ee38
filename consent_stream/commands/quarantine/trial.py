"""What a quarantined record would become today: through the worker's own intake, as `simulate` does it."""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.facts import Restriction
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
    """code: under which it would go to quarantine again, None for under none. says: what of it would be applied."""

    code: str | None
    says: tuple[str, ...]

    def __str__(self) -> str:
        applied = f"accepted as {', '.join(self.says)}" if self.says else "accepted, changes nothing"
        if self.code is None:
            return applied
        return f"{applied}; the rest again {self.code}" if self.says else f"again {self.code}"


def outcome(held: Held, policy: Policy, now: int) -> Outcome:
    """What would become of a record that is put back at an instant (µs)."""
    if held.stage != "intake":
        try:
            facts, code = [decode_fact(held.key, held.value or b"")], None
        except WireError as error:
            return Outcome(error.code, ())
    else:
        taken = take_in(held.value, now, held.source or (0, 0), policy, _NOBODYS.subject)
        facts, code = taken.facts, taken.refusal.code if taken.refusal else None
    parts = [part for fact in facts for part in fact.parts]
    said = sorted({sort_of(part) for part in parts}, key=lambda sort: (sort == "link", sort))
    restricts = any(isinstance(part, Restriction) for part in parts)
    return Outcome(code, tuple(said) if restricts or code is None else tuple(each for each in said if each != "link"))
