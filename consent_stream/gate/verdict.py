"""What a gate answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """May this be sent? True in a condition exactly when it may.

    Shapes: `reasons` all that apply, in the order of RULES §10, none when allowed · `facts` event ids behind the
    answer · `version` of the newest row that was read, 0 when none is known.
    Units: `applied_through` microseconds since the epoch, UTC: everything accepted before that instant is in the
    answer; None while that is unknown · `staleness` seconds since then, None while unknown · `valid_until`
    microseconds: hand over before it or ask again; 0 when nothing is permitted.
    """

    allow: bool
    reasons: tuple[str, ...]
    facts: tuple[str, ...]
    version: int
    applied_through: int | None
    staleness: float | None
    valid_until: int

    def __bool__(self) -> bool:
        return self.allow

    def __repr__(self) -> str:
        # Facts are ids that a sender chose; they are counted, not shown, for they may hold anything.
        said = "allow" if self.allow else f"deny {', '.join(self.reasons)}"
        return f"<Verdict {said}; version {self.version}; facts {len(self.facts)}; staleness {self.staleness}>"
