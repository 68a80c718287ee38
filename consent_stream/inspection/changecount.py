"""How many standings changed, by hour and by what changed them. Pure; as large as the hours that are counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from consent_stream.domain.times import HOUR
from consent_stream.inspection.records import direction
from consent_stream.wire.change import Change

MOST = 10_000  # names of one sort: senders choose types, and tenants are many
OTHERS = "(others)"


@dataclass
class ChangeCount:
    """Changes since an instant and before another (µs), by when their event was accepted; `tenant`, `channel`: of one
    alone. A rebuild writes old changes anew: its hour tells nothing."""

    since: int | None = None
    until: int | None = None
    tenant: str | None = None
    channel: str | None = None
    changes: int = 0
    unreadable: int = 0
    hours: Counter[tuple[int, str]] = field(default_factory=Counter)  # (its beginning in µs, direction)
    ways: Counter[str] = field(default_factory=Counter)
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    tenants: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)

    def add(self, change: Change) -> None:
        """Count one, if it is of those asked for."""
        if (self.since is not None and change.received < self.since) or (
            self.until is not None and change.received >= self.until
        ):
            return
        if self.tenant not in (None, change.tenant) or self.channel not in (None, change.channel):
            return
        way = direction(change.before, change.after)
        before, after = set(change.before.reasons), set(change.after.reasons)
        self.changes += 1
        self.hours[change.received // HOUR * HOUR, way] += 1
        self.ways[way] += 1
        self.gained.update(after - before)
        self.lost.update(before - after)
        self.channels[change.channel] += 1
        for counter, name in ((self.types, change.type), (self.tenants, change.tenant)):
            counter[name if name in counter or len(counter) < MOST else OTHERS] += 1

    def by_hour(self) -> list[dict[str, int]]:
        """Hours with changes, in order: when each begins (µs), and how many went which way."""
        return [
            {"hour": hour, **{way: self.hours[hour, way] for way in ("tighter", "looser", "other")}}
            for hour in sorted({hour for hour, _ in self.hours})
        ]

    def fields(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "since": self.since,
            "until": self.until,
            "changes": self.changes,
            "unreadable": self.unreadable,
            **dict(self.ways),
            "hours": self.by_hour(),
            "reasons": {
                reason: {"gained": self.gained[reason], "lost": self.lost[reason]}
                for reason in sorted({*self.gained, *self.lost})
            },
            "types": dict(self.types.most_common()),
            "tenants": dict(self.tenants.most_common()),
            "channels": dict(self.channels.most_common()),
        }
