"""What a provider tells, in one form for all of them, and what each report becomes.

1. The tenant is the endpoint's, from the configuration; nothing in a body chooses it.
2. A provider's word forbids, and says what was delivered. It never permits mail: a resubscription that a provider tells
   of has no notice and no evidence (RULES §4), so it is acknowledged and counted.
3. A group, topic or stream becomes a program only where the configuration names it; an unknown one is every program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from consent_stream.domain.times import FAR, parse_instant
from consent_stream.edge.events import event

WINDOW_S = 300  # a signed moment older or newer than this permits nothing (replayed, or a wrong clock)
LONGEST_ADDRESS = 1000  # characters; what is longer is none, and is kept by nobody
LONGEST_ID = 200
PERMISSIVE = frozenset(("delivery.succeeded",))
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")  # RFC 3463


class Forged(Exception):
    """Not signed as it must be. It never says what was wrong."""


class Malformed(Exception):
    """Signed, and not what the provider's documentation says. The text holds nothing of the body."""


class Delivery(NamedTuple):
    """One request. headers: names in lower case. url: as the provider called it. now: µs."""

    headers: Mapping[str, str]
    body: bytes
    url: str
    now: int


@dataclass(frozen=True)
class Report:
    """type: of the event (WIRE §1). ident: the provider's own id. at: µs, when the provider has a time. said: data."""

    type: str
    ident: str | None
    at: int | None
    said: Mapping[str, Any] = field(repr=False)

    def event(self, source: str, tenant: str, now: int) -> dict[str, Any]:
        """The CloudEvent; without a time of its own it is of `now`."""
        return event(self.type, source, tenant, at=now if self.at is None else self.at, ident=self.ident, **self.said)


@dataclass
class Reading:
    """What a request said. skipped: why a part of it has no effect, one word each. late: nothing may be permitted.
    done: a key under which a repetition is known."""

    reports: list[Report] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    late: bool = False
    done: str | None = None

    def effective(self) -> list[Report]:
        """Those with an effect. A late one may still forbid: a provider that could not reach us for an hour brings
        withdrawals, each with its own time, and a repeated "no" changes nothing."""
        return [each for each in self.reports if not (self.late and each.type in PERMISSIVE)]

    def add(self, type: str, ident: str | None, at: int | None, address: object, channel: str, **said: Any) -> None:
        """A report on one address; without one it is skipped as `malformed`."""
        name = "phone" if channel == "sms" else "email"
        if not isinstance(address, str) or not address.strip() or len(address) > LONGEST_ADDRESS:
            self.skipped.append("malformed")
            return
        self.reports.append(Report(type, ident, at, {name: address, "channel": channel, **said}))

    def each(self, entries: Sequence[object]) -> Iterable[Mapping[str, Any]]:
        """The entries that are objects; others are skipped as `malformed`, and hold up nobody else's "no"."""
        for entry in entries:
            if isinstance(entry, dict):
                yield entry
            else:
                self.skipped.append("malformed")


def unsubscribe(reading: Reading, ident: str | None, at: int | None, address: object, scope: str | None) -> None:
    """An unsubscribe on the provider's own page: of a program that is known, else of every one."""
    if scope is None:
        reading.add("unsubscribe.link", ident, at, address, "email")
    else:
        reading.add("preference.set", ident, at, address, "email", topics={scope: False})


def ident_of(*parts: object) -> str | None:
    """An event id of a provider's; None when it gave none, or one that is too long."""
    text = ":".join(str(part) for part in parts)
    whole = all(isinstance(part, int) or (isinstance(part, str) and part and "@" not in part) for part in parts)
    return text if whole and len(text) <= LONGEST_ID and text.isascii() and text.isprintable() else None


def text_of(entry: Mapping[str, Any], *names: str) -> str:
    """The first of these members that is text, else empty."""
    return next((entry[name] for name in names if isinstance(entry.get(name), str)), "")


def table_of(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object, else an empty one."""
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def list_of(entry: Mapping[str, Any], name: str) -> list[Any]:
    """A member that is an array, else an empty one."""
    found = entry.get(name)
    return found if isinstance(found, list) else []


def status_in(*texts: object) -> str | None:
    """The first enhanced status code (RFC 3463) in these texts, such as an SMTP answer."""
    for text in texts:
        found = _STATUS.search(text[:4000]) if isinstance(text, str) else None
        if found:
            return found[1]
    return None


def instant_of(value: object) -> int | None:
    """µs of RFC 3339 text, or of seconds since 1970; None for anything else."""
    if isinstance(value, str):
        return parse_instant(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < FAR / 1_000_000:
        return None
    return int(value * 1_000_000)


def within(seconds: float, now: int) -> bool | None:
    """Whether a signed moment is of now: True, False when it is too old. None: it lies in the future, or is none."""
    age = now / 1_000_000 - seconds
    if not age >= -WINDOW_S:
        return None
    return age <= WINDOW_S


def http_date(text: str) -> float | None:
    """Seconds of an RFC 3339 time; None for what is none."""
    found = parse_instant(text)
    return None if found is None else found / 1_000_000
