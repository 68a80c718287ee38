"""Opt-outs of the last 48 hours, counted from `consent.changes`: by hour, program, reason, event and tenant. Pure.

1. An opt-out is a change after which a list denies what it did not deny before: a key that is suppressed, or a further
   scope that is blocked. Derived changes are the same person on another key, and are left out.
2. Numbers alone are kept, and not many: of programs, tenants and events each hour has at most `MOST`, the rest is
   `OTHERS`. Nothing of a person is kept at all.
3. While root keys rotate, one person has a row under each key id, and counts once for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from consent_stream.domain.standing import denies_more
from consent_stream.wire.change import Change

HOUR = 3_600_000_000  # microseconds
HOURS = 48
MOST = 100
OTHERS = "(others)"
EVERYTHING = "*"
SCOPE = "scope"  # a reason: not the whole list is denied, but a scope of it

_DIMENSIONS = ("program", "reason", "event", "tenant")


class Sheet(NamedTuple):
    """Of one list. hours: (begin of the hour in µs, opt-outs), the oldest first, without a gap. The others: by name,
    the most first."""

    total: int
    hours: tuple[tuple[int, int], ...]
    program: tuple[tuple[str, int], ...]
    reason: tuple[tuple[str, int], ...]
    event: tuple[tuple[str, int], ...]
    tenant: tuple[tuple[str, int], ...]


class Optouts:
    """Counters by list and hour."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], dict[str, Counter[str]]] = {}
        self._newest = 0

    def add(self, change: Change) -> None:
        """Count one change, if it is an opt-out of the last 48 hours before the newest."""
        found = None if change.derived else newly_denied(change)
        hour = change.received // HOUR
        if found is None or hour <= self._newest - HOURS:
            return
        if hour > self._newest:
            self._newest = hour
            self._forget(hour)
        counts = self._counts.setdefault((change.channel, hour), {name: Counter() for name in _DIMENSIONS})
        programs, reasons = found
        for program in programs:
            _count(counts["program"], program)
        for reason in reasons:
            _count(counts["reason"], reason)
        _count(counts["event"], change.type)
        _count(counts["tenant"], change.tenant)

    def sheet(self, channel: str, now: int) -> Sheet:
        """How it stands for one list. now: µs."""
        last = now // HOUR
        self._forget(last)
        wanted = range(last - HOURS + 1, last + 1)
        hours = tuple(
            (hour * HOUR, sum(self._counts[channel, hour]["event"].values()) if (channel, hour) in self._counts else 0)
            for hour in wanted
        )
        sums = {name: Counter[str]() for name in _DIMENSIONS}
        for hour in wanted:
            for name, counts in self._counts.get((channel, hour), {}).items():
                sums[name].update(counts)
        # The most first, and names in order: a page that is loaded again looks the same.
        ranked = {
            name: tuple(sorted(found.items(), key=lambda each: (-each[1], each[0]))) for name, found in sums.items()
        }
        return Sheet(sum(count for _, count in hours), hours, **ranked)

    def _forget(self, hour: int) -> None:
        for key in [key for key in self._counts if key[1] <= hour - HOURS]:
            del self._counts[key]


def newly_denied(change: Change) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """(programs, reasons) that a list denies since this change; None when it denies nothing that it did not before."""
    before, after = change.before, change.after
    if not denies_more(before, after):
        return None
    if after.status == "SUPPRESSED":
        return (EVERYTHING,), _without(after.reasons, before.reasons) or after.reasons[:1]
    scopes = _without(after.blocked_scopes, before.blocked_scopes)
    return tuple(dict.fromkeys(scope.partition("/")[0] for scope in scopes)), (SCOPE,)


def _without(these: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    left = set(known)
    return tuple(each for each in these if each not in left)


def _count(counts: Counter[str], name: str) -> None:
    counts[name if name in counts or len(counts) < MOST else OTHERS] += 1
