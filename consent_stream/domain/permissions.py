"""What each permitting event allows, and why it may not (RULES §4, §5, §6): grants, lifts, reviews, deliveries.

A permission is admitted only when every check passes; each failed check adds its code, and the first in the order of
WIRE §1 is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consent_stream.domain.facts import (
    CHANNEL_MASK,
    CONTACT,
    EMAIL,
    LIFTED,
    REVIEWED,
    SMS,
    Delivery,
    Grant,
    Lift,
    Request,
)
from consent_stream.domain.nodes import (
    ANY,
    CHANNELLESS,
    CHANNELS,
    EVERYTHING,
    PURPOSES,
    Node,
    node,
    parse_node,
    valid_scope,
)
from consent_stream.domain.policy import LEVELS, version_text
from consent_stream.domain.subjects import Event, short_text
from consent_stream.domain.times import FAR, add_months, day_of, parse_day, parse_instant

NAMES_PER_GRANT = 32  # nobody was told of more; each grant of an event repeats them, and a record has a limit
KEYS_PER_GRANT = 64
CONTACT_LEVEL = 2  # nobody proved control of an address there


def granted(ev: Event) -> None:
    _grant(ev, purpose_of(ev), ev.data.get("scope"))


def purpose_of(ev: Event) -> str:
    """The purpose given; marketing when there is none, and no purpose at all (empty) when it is not text."""
    purpose = ev.data.get("purpose")
    if purpose is None:
        return "marketing"
    return purpose if isinstance(purpose, str) else ""


def sharing_granted(ev: Event) -> None:
    _grant(ev, "sharing", ev.data.get("scope"))


def grant_topic(ev: Event, scope: object) -> None:
    """One topic of `preference.set` that is wanted."""
    _grant(ev, purpose_of(ev), scope)


def grant_row(ev: Event) -> None:
    """The grant of an import row; without proof it is counted and not admitted, which is no error."""
    codes, ev.codes = ev.codes, [ev.misread] if ev.misread else []
    _targets(ev, purpose_of(ev))
    _check_source_and_time(ev)
    refused = ev.flawed or any(code != "bad_value" for code in ev.codes)  # by what comes before the notice
    ev.codes = codes
    day = ev.data.get("date")
    proven = (
        isinstance(day, str)
        and ev.time is not None
        and parse_day(day) == day_of(ev.time)
        and all(isinstance(ev.data.get(name), str) and ev.data[name].strip() for name in ("method", "origin"))
        and ev.data.get("notice") is not None
    )
    if not proven and not refused:
        ev.counts.append("incomplete_proof")
    else:
        _grant(ev, purpose_of(ev), ev.data.get("scope"))


def start_by_text(ev: Event, stop: tuple[str, str, str]) -> None:
    """START: the program, and transactional texts, each naming what a STOP would have closed."""
    named = ev.data.get("program")
    program = ev.rules.sms_program if named is None else named
    if program is None:
        ev.codes.append("no_program")
    elif named == ANY:  # that is every program, and no program
        ev.codes.append("bad_value")
    told = (node(*stop),)
    _grant(ev, "marketing", program, names=told, withheld=bool(ev.codes))
    if not ev.codes:
        _grant(ev, "transactional", ANY, names=told, any_purpose=True)


# -- admission -----------------------------------------------------------------------------------------


def _grant(
    ev: Event,
    purpose: str,
    scope: object,
    names: tuple[Node, ...] = (),
    any_purpose: bool = False,
    withheld: bool = False,
) -> None:
    """Admit one grant, or add the codes of all that is wrong with it; `withheld`: something already is."""
    before = len(ev.codes)
    channel, targets = _targets(ev, purpose)
    _check_source_and_time(ev)
    if ev.misread:
        ev.codes.append(ev.misread)
    notice = _notice(ev, purpose, any_purpose)
    level = _level(ev)
    until = _valid_until(ev)
    where = _node(purpose, channel, ANY if scope is None else scope)
    told = _names(ev, where)
    texts = [_text(ev, name) for name in ("batch", "credential")]
    if (
        where is None
        or told is None
        or level is None
        or until is None
        or None in texts
        or len(targets) > KEYS_PER_GRANT
    ):
        ev.codes.append("bad_value")
    if withheld or len(ev.codes) > before or ev.flawed:
        ev.codes.append("not_cloudevent" if ev.flawed else ev.codes[-1])
        return
    assert where is not None
    assert told is not None
    assert level is not None
    assert until is not None
    for key, channels in targets:
        capped = min(level, CONTACT_LEVEL) if channels == CONTACT else level
        named = tuple(sorted({*told, *names} - {where}))
        grant = Grant(
            ev.when.lo, ev.id, ev.source, until, where, capped, named, *notice, texts[0] or "", texts[1] or "", ev.type
        )
        ev.add(key, channels, grant)
        if ev.type == "consent.confirmed" and capped >= 3:
            ev.add(key, channels, Delivery(False, ev.when.lo, ev.id, ev.source))


def _targets(ev: Event, purpose: str) -> tuple[str, list[tuple[bytes, int]]]:
    """The channel of a grant's node and the keys it goes under."""
    contacts = [(key, CONTACT) for key in ev.contacts]
    channel = ev.channel
    if purpose in CHANNELLESS:
        if channel is None and any(a.channels == EMAIL | SMS for a in ev.addresses):
            ev.codes.append("no_channel")
        if channel == "?":
            ev.codes.append("bad_value")
        channel = ANY
    elif channel is None:
        masks = {address.channels for address in ev.addresses}
        if masks not in ({EMAIL}, {SMS}):
            ev.codes.append("no_channel")
            return ANY, contacts
        channel = "email" if masks == {EMAIL} else "sms"
    if channel == ANY:
        addresses = [(a.key, a.channels) for a in ev.addresses]
    elif channel in CHANNELS:
        addresses = [(a.key, a.channels) for a in ev.addresses if a.channels & CHANNEL_MASK[channel]]
    else:
        ev.codes.append("bad_value")
        return ANY, contacts
    if not addresses and not contacts:
        ev.codes.append("no_subject")
    return channel, addresses or contacts


def _check_source_and_time(ev: Event) -> None:
    if ev.other_version:
        ev.codes.append("unknown_type")
    if ev.registered is None:
        ev.codes.append("unknown_source")
    if ev.when.fault:
        ev.codes.append(ev.when.fault)


def _node(purpose: str, channel: str, scope: object) -> Node | None:
    if purpose not in PURPOSES or not valid_scope(scope):
        return None
    return parse_node(f"{purpose}:{channel}:{scope}")


def _notice(ev: Event, purpose: str, any_purpose: bool) -> tuple[str, str]:
    cited: Any = ev.data.get("notice")
    ident: Any
    version: str | None
    if cited is None and ev.type == "sms.inbound" and ev.rules.sms_notice:
        ident, version = ev.rules.sms_notice
    elif cited is None:
        ev.codes.append("no_notice")
        return "", ""
    else:
        ident = cited.get("id") if isinstance(cited, dict) else None
        version = version_text(cited.get("version")) if isinstance(cited, dict) else None
    known = None
    if isinstance(ident, str) and version is not None:
        known = ev.policy.notices.get((ev.tenant, ident, version))
    if known is None or (ev.time is not None and known.effective > ev.time):
        ev.codes.append("unknown_notice")
        return "", ""
    if not any_purpose and purpose not in known.purposes:
        ev.codes.append("purpose_not_in_notice")
    return str(ident), str(version)


def _level(ev: Event) -> int | None:
    """min(level of the type, what is claimed, the source's cap); None when the claim is not understood."""
    claim = ev.data.get("evidence")
    claimed = LEVELS.get(claim) if isinstance(claim, str) else None
    if claim is not None and claimed is None:
        return None
    of_type = _LEVEL_OF[ev.type](claimed)
    cap = ev.registered.max_evidence if ev.registered else 0
    return min(of_type, cap) if claimed is None else min(of_type, claimed, cap)


_LEVEL_OF: Mapping[str, Callable[[int | None], int]] = {
    "consent.granted": lambda claimed: 2 if claimed is None else claimed,
    "consent.renewed": lambda claimed: 2 if claimed is None else claimed,
    "consent.confirmed": lambda claimed: 4 if claimed == 4 else 3,
    "preference.set": lambda claimed: 3 if claimed is not None and claimed >= 3 else 2,
    "sms.inbound": lambda claimed: 3,
    "import.row": lambda claimed: 1,
    "sharing.optin": lambda claimed: 2,
    "sharing.optin_confirmed": lambda claimed: 4,
}


def _valid_until(ev: Event) -> int | None:
    given = ev.data.get("valid_until")
    if given is not None:
        return parse_instant(given)
    return add_months(ev.time, ev.rules.consent_valid_months) if ev.time is not None else FAR


def _names(ev: Event, own: Node | None) -> tuple[Node, ...] | None:
    given = ev.data.get("names")
    if given is None:
        return (own,) if own else ()
    if not isinstance(given, list) or len(given) > NAMES_PER_GRANT:
        return None
    read = [parse_node(text) if isinstance(text, str) else None for text in given]
    found = tuple(n for n in read if n is not None)
    return found if len(found) == len(read) else None


def _text(ev: Event, name: str) -> str | None:
    """An optional text; None when it is there and cannot be kept."""
    value = ev.data.get(name)
    return "" if value is None or value == "" else short_text(value) or None


# -- lifts, reviews, deliveries, requests --------------------------------------------------------------


def lifted(ev: Event) -> None:
    kind, text = ev.data.get("kind"), ev.data.get("node")
    if ev.type == "subject.restriction_lifted":
        kind = "frozen" if kind is None else kind
        text = "*:*:*" if text is None else text
    if len(_people(ev)) < 2:
        ev.codes.append("needs_two_people")
    _clear(ev, kind, "*:*:*" if kind == "minor" else text, LIFTED)


def reviewed(ev: Event) -> None:
    if not _people(ev):
        ev.codes.append("needs_reviewer")
    _clear(ev, ev.data.get("kind"), ev.data.get("node"), REVIEWED)


def _people(ev: Event) -> set[str]:
    given = ev.data.get("approved_by")
    people = given if isinstance(given, list) else [given]
    return {person.strip().casefold() for person in people if isinstance(person, str) and person.strip()}


def _clear(ev: Event, kind: object, text: object, clearable: frozenset[str]) -> None:
    where = parse_node(text) if isinstance(text, str) else None
    _check_source_and_time(ev)
    if ev.misread:
        ev.codes.append(ev.misread)
    if where is None or not isinstance(kind, str):
        ev.codes.append("bad_value")
    if ev.codes or ev.flawed:
        ev.codes.append("not_cloudevent" if ev.flawed else ev.codes[-1])
    elif kind not in clearable:
        ev.counts.append("kind_not_clearable")
    else:
        ev.under_all(Lift(str(kind), where or EVERYTHING, ev.when.lo, ev.id, ev.source))


def delivered(ev: Event) -> None:
    _check_source_and_time(ev)
    if ev.flawed:
        ev.codes.append("not_cloudevent")
    if ev.codes:
        return
    masks = {address.channels for address in ev.addresses if address.ok}
    mask = CHANNEL_MASK.get(ev.channel or "", 0) or (masks.pop() if len(masks) == 1 else 0)
    there = [a for a in ev.addresses if a.ok and a.channels & mask]
    if not there:
        ev.counts.append("delivery_without_address")
    for address in there:
        ev.add(address.key, address.channels, Delivery(False, ev.when.lo, ev.id, ev.source))


def requested(ev: Event) -> None:
    purpose = purpose_of(ev)
    if ev.flawed:
        ev.codes.append("not_cloudevent")
    elif purpose in PURPOSES:
        channel = ev.channel if ev.channel in CHANNELS and purpose not in CHANNELLESS else ANY
        ev.under_all(Request(purpose, channel, ev.when.lo, ev.id, ev.source))


def recorded(ev: Event) -> None:
    ev.counts.append("feedback_recorded")
    if ev.flawed:
        ev.codes.append("not_cloudevent")


PERMISSIONS: Mapping[str, Callable[[Event], None]] = {
    "consent.requested": requested,
    "consent.granted": granted,
    "consent.confirmed": granted,
    "consent.renewed": granted,
    "sharing.optin": sharing_granted,
    "sharing.optin_confirmed": sharing_granted,
    "feedback.not_spam": recorded,
    "delivery.succeeded": delivered,
    "subject.restriction_lifted": lifted,
    "admin.lift": lifted,
    "review.cleared": reviewed,
}
