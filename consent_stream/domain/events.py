"""From an event to facts: the pure half of the intake.

`qualify` is a function of (event, append time, policy). It reads the envelope, finds the subjects, and hands over to
the function of the event's type (`restrictions.py`, `permissions.py`). Every event ends as facts, as a quarantine code,
or as both: a flawed grant does not hold back a restriction, and a known type still links what it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from consent_stream.domain.facts import Fact, Link
from consent_stream.domain.permissions import PERMISSIONS
from consent_stream.domain.policy import Policy
from consent_stream.domain.restrictions import RESTRICTIONS, unknown_restriction
from consent_stream.domain.subjects import Event, KeyOf, find_subjects, short_text
from consent_stream.domain.times import interval, parse_instant

# Why an event goes to quarantine, first what counts first; said without anything of the event itself.
MEANINGS: Mapping[str, str] = {
    "too_large": "a record larger than what is read",
    "not_cloudevent": "no CloudEvent: id, source, type or specversion 1.0 is missing, or no object",
    "no_tenant": "does not say on whose behalf: no tenant",
    "unknown_type": "a type that nobody here knows, or a permission of another version",
    "no_subject": "names neither a contact nor an address that it could be about",
    "unknown_source": "a permission from a source that the policy does not register for this tenant",
    "bad_address": "a permission for an address that is none",
    "no_channel": "a permission that does not say for which channel",
    "no_program": "a permission for no program",
    "no_time": "a permission without a time that can be relied on",
    "future_time": "a permission dated later than it arrived",
    "needs_two_people": "a lift that no two people approved",
    "needs_reviewer": "a review without a reviewer",
    "no_notice": "a permission without the notice that was shown",
    "unknown_notice": "a permission under a notice that the policy does not have, or not yet at that time",
    "purpose_not_in_notice": "a permission for a purpose that its notice does not name",
    "bad_value": "a field that is not understood",
}
CODES = tuple(MEANINGS)
_RANK = {code: rank for rank, code in enumerate(CODES)}
_VERSION = re.compile(r"(.+)\.v([0-9]+)", re.ASCII)
_ENDINGS = (".withdrawn", ".optout", ".unsubscribed", ".stop")
LINKS_PER_EVENT = 1000  # contacts × addresses; a person has a handful
TEXTED = frozenset(("sms.inbound", "number.reassigned", "number.deactivated"))  # about a phone, whatever `channel` says


class Outcome(NamedTuple):
    facts: list[Fact]
    code: str | None  # why the event, or a grant in it, goes to quarantine
    counts: list[str]  # what was ignored, and why


class _Type(NamedTuple):
    name: str  # as in WIRE §1, or the unknown name
    apply: Callable[[Event], None] | None  # None: unknown
    known: bool
    scopeless: bool = False
    other_version: bool = False


@lru_cache(4096)
def read_type(text: str) -> _Type:
    """What a `type` stands for. Prefixes do not count; other versions of a restriction act as `.v1` (RULES §6)."""
    match = _VERSION.fullmatch(text)
    name, version = (match[1], int(match[2])) if match else (text, 0)
    parts = name.split(".")
    for start in range(len(parts)):
        known = ".".join(parts[start:])
        if known in RESTRICTIONS:
            # Another version may mean more than we read in it: one that ends like a restriction loses its scope, and
            # a permission in any (`preference.set` true, START, an import row) is not understood.
            other = version != 1
            return _Type(known, RESTRICTIONS[known], True, other and known.endswith(_ENDINGS), other)
        if known in PERMISSIONS and version == 1:
            return _Type(known, PERMISSIONS[known], True)
        if known in PERMISSIONS:
            return _Type(known, None, False)
    if ("." + name.lower()).endswith(_ENDINGS):
        return _Type(name, unknown_restriction, False)
    return _Type(name, None, False)


def told_type(text: str) -> str:
    """The name of a `type` where it may be told, in a trace say: what nobody here knows may be an address."""
    name = read_type(text).name
    return name if name in RESTRICTIONS or name in PERMISSIONS else "other"


def qualify(event: Mapping[str, Any], received: int, place: tuple[int, int], policy: Policy, key_of: KeyOf) -> Outcome:
    """The facts of one event, one per subject key.

    Shapes: `event` is the parsed CloudEvent; `received` the append time in microseconds; `place` = (partition, offset)
    in `consent.events`; `key_of(tenant, channel, canonical)` gives the 19 bytes of a subject key.
    Laws: the same arguments give the same facts.
    """
    ident, source, type_text = (
        short_text(event.get("id")),
        short_text(event.get("source")),
        short_text(event.get("type")),
    )
    flawed = not (event.get("specversion") == "1.0" and ident and source)
    if not type_text:
        return Outcome([], "not_cloudevent", [])
    tenant = short_text(event.get("tenant"))
    if not tenant or "\0" in tenant:
        return Outcome([], "not_cloudevent" if flawed else "no_tenant", [])
    kind = read_type(type_text)
    if kind.apply is None:
        return Outcome([], "not_cloudevent" if flawed else "unknown_type", [])
    data = event.get("data")
    ev = Event(
        tenant=tenant,
        id=ident,
        source=source,
        type=kind.name,
        data=data if isinstance(data, dict) else {},
        received=received,
        flawed=flawed,
        policy=policy,
        rules=policy.tenant(tenant),
        registered=policy.source(source, tenant),
        scopeless=kind.scopeless,
        other_version=kind.other_version,
    )
    find_subjects(ev, "sms" if kind.name in TEXTED else None, key_of)
    if not ev.named():
        return Outcome([], "not_cloudevent" if flawed else "no_subject", ev.counts)
    _time(ev, event.get("time"))
    kind.apply(ev)
    if not kind.known:
        ev.counts.append("unknown_restriction")
    if flawed:
        ev.counts.append("flawed_envelope")
    return _outcome(ev, place, links=kind.known)


def _time(ev: Event, claim: object) -> None:
    clock = ev.registered.clock if ev.registered else "undated"
    if ev.registered and ev.type == "import.row":
        clock = "dated"
    ev.time = parse_instant(claim)
    ev.when = interval(clock, ev.time, ev.received)


def _outcome(ev: Event, place: tuple[int, int], links: bool) -> Outcome:
    code = min(ev.codes, key=_RANK.__getitem__) if ev.codes else None
    if ev.flawed and code:
        code = "not_cloudevent"
    parts = ev.parts
    if links and len(ev.contacts) * len(ev.addresses) > LINKS_PER_EVENT:
        ev.counts.append("too_many_links")
    elif links:
        for contact in ev.contacts:
            for address in ev.addresses:  # an unreadable one too: a no that was kept under it reaches the contact
                ev.add(contact, 4, Link(address.key, address.channels))
                ev.add(address.key, address.channels, Link(contact, 4))
    if code is None and len(parts) < len(ev.contacts) + len(ev.addresses):
        for key, channels in ev.named():  # so that the ledger tells of events that change nothing, too
            if key not in parts:
                parts[key] = (channels, [])
    facts = [
        Fact(key, channels, ev.tenant, ev.id, ev.source, ev.type, ev.received, *place, False, tuple(found))
        for key, (channels, found) in parts.items()
    ]
    return Outcome(facts, code, ev.counts)
