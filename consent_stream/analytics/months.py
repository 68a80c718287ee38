"""People of a month by tenant, list and what they did, counted from `consent.changes`. Pure.

1. A person said no when a list denies since an event what it did not deny before, and came back when it denies less.
   The events say why: `WHY`. Who did so more than once counts once, for the first.
2. People are counted by addresses, and never more than there are addresses. All keys that one event changed are one
   person's: an address under two key ids, its base form, other addresses of the contact. While root keys rotate one
   person's keys may share no event; so people are counted under each key id, and the greatest count stands.
3. Memory: a hundred bytes or so for each key that changed in the month, and each event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from consent_stream.analytics.disclosure import told, total
from consent_stream.domain.standing import LISTS, denies_more
from consent_stream.wire.change import Change
from consent_stream.wire.keys import ADDRESS_KEY

WHY = {
    "unsubscribe.oneclick": "unsubscribed", "unsubscribe.link": "unsubscribed", "unsubscribe.mailto": "unsubscribed",
    "unsubscribe.global": "unsubscribed", "consent.withdrawn": "withdrawn", "consent.refused": "withdrawn",
    "consent.revoked": "withdrawn", "preference.set": "withdrawn", "objection.direct_marketing": "withdrawn",
    "sms.inbound": "texted", "sharing.optout": "no sharing", "signal.gpc": "no sharing", "signal.gpp": "no sharing",
    "feedback.complaint": "complained", "delivery.bounced": "bounced",
}  # fmt: skip
OTHERWISE, BACK, TOTAL = "otherwise", "came back", "said no, in all"
CAUSES = (*dict.fromkeys(WHY.values()), OTHERWISE)
_KID = 2  # where a subject key has its key id


class Month(NamedTuple):
    """A calendar month in UTC. Units: microseconds, `end` exclusive."""

    name: str
    begin: int
    end: int


class Cell(NamedTuple):
    """A line of the table. people: at least so many, at most four more; None: fewer than 20."""

    month: str
    tenant: str
    list: str
    what: str
    people: int | None


def month(text: str) -> Month:
    """The month of `2026-10`. Errors: ValueError."""
    begin = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    after = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    if begin.strftime("%Y-%m") != text:
        raise ValueError("YYYY-MM is expected")
    return Month(text, int(begin.timestamp()) * 1_000_000, int(after.timestamp()) * 1_000_000)


class Tally:
    """Of one month; `add` in the order of the topic's partitions."""

    def __init__(self, of: Month) -> None:
        self._of = of
        self._did: dict[tuple[str, str], _People] = {}
        self._back: dict[tuple[str, str], _People] = {}

    def add(self, key: bytes, change: Change) -> None:
        """Count a change, if it is of the month and of an address."""
        if not self._of.begin <= change.received < self._of.end or key[:2] != ADDRESS_KEY:
            return
        event, where = (change.partition, change.offset, change.id), (change.tenant, change.channel)
        if denies_more(change.before, change.after):
            why = CAUSES.index(WHY.get(change.type, OTHERWISE))
            self._did.setdefault(where, _People()).add(key, event, (change.received, why))
        elif denies_more(change.after, change.before):
            self._back.setdefault(where, _People()).add(key, event, (change.received, 0))

    def cells(self, tenants: Iterable[str]) -> Iterator[Cell]:
        """The table: every cell of every list of these tenants, in order, whether anybody is in it or not."""
        for tenant in sorted(tenants):
            for name in LISTS:
                counts = self._counts(self._did, tenant, name)
                shown = [told(counts[why]) for why in range(len(CAUSES))]
                for why, people in zip(CAUSES, shown, strict=True):
                    yield Cell(self._of.name, tenant, name, why, people)
                yield Cell(self._of.name, tenant, name, TOTAL, total(shown))
                yield Cell(self._of.name, tenant, name, BACK, told(self._counts(self._back, tenant, name)[0]))

    def _counts(self, of: dict[tuple[str, str], _People], tenant: str, name: str) -> Counter[int]:
        return of[tenant, name].counts() if (tenant, name) in of else Counter()


_Event = tuple[int, int, str]
_First = tuple[int, int]  # (when, why)


class _People:
    """Keys and events that belong together, as a forest (union by the first, path halving)."""

    def __init__(self) -> None:
        self._above: dict[bytes | _Event, bytes | _Event] = {}
        self._first: dict[bytes, _First] = {}

    def add(self, key: bytes, event: _Event, first: _First) -> None:
        self._above[self._top(key)] = self._top(event)
        self._first[key] = min(first, self._first.get(key, first))

    def counts(self) -> Counter[int]:
        """People by why, each by the first thing known of them."""
        firsts: dict[bytes | _Event, _First] = {}
        ids: dict[bytes | _Event, set[int]] = {}
        for key, first in self._first.items():
            top = self._top(key)
            firsts[top] = min(first, firsts.get(top, first))
            ids.setdefault(top, set()).add(key[_KID])
        by_id: dict[int, Counter[int]] = {}
        for top, (_, why) in firsts.items():
            for kid in ids[top]:
                by_id.setdefault(kid, Counter())[why] += 1
        greatest: Counter[int] = Counter()
        for counts in by_id.values():
            greatest |= counts
        return greatest

    def _top(self, node: bytes | _Event) -> bytes | _Event:
        above = self._above
        while (up := above.setdefault(node, node)) != node:
            above[node] = node = above[up]
        return node
