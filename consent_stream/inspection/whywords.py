"""A chain in plain words: sentences that somebody understands who has never seen an event. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from consent_stream.gate.explaining import WORDS
from consent_stream.inspection.whychain import Event, FactTold, Part, Permission

SAID = {
    "legal": "sending was blocked for a legal reason",
    "deceased": "the person was reported dead",
    "frozen": "processing was restricted",
    "suppressed_by_staff": "staff suppressed sending",
    "minor": "a birth date was given by which the person is under 16",
    "minor_suspected": "it was reported that the person may be under 16",
    "erased": "the person was erased on request",
    "reassigned": "the number was given to somebody else",
    "complaint": "the person complained about a message",
    "objected": "the person objected to direct marketing",
    "global_opt_out": "the person opted out of everything",
    "sharing_opt_out": "the person opted out of sharing",
    "sms_stop": "the person texted STOP",
    "sms_stop_review": "the person texted what may be a STOP",
    "unsubscribed": "the person unsubscribed",
    "topic_opt_out": "the person opted out of a topic",
    "bounce": "a message bounced",
    "delivery": "a message was delivered",
    "birth": "a birth date was given",
    "grant": "the person consented",
}
_ABOUT = {
    "marketing": "marketing",
    "sharing": "sharing",
    "profiling": "profiling",
    "transactional": "messages about orders and accounts",
    "legal_required": "messages that the law requires",
    "*": "everything",
}
_OVER = {"email": " by e-mail", "sms": " by text", "*": ""}
LATE_US = 60_000_000  # of a source's clock and its way here nobody needs to be told
_REASON_OF = {"birth": "minor", "bounce": "undeliverable"}  # part → the reason it gives, where the names differ


def sentence(
    tenant: str, node: str, reasons: Sequence[str], events: Iterable[Event], permission: Permission | None, basis: str
) -> str:
    """The answer in one sentence. node: what was asked about."""
    if not reasons:
        return _yes(tenant, node, permission, basis)
    events = list(events)
    clauses = [_because(reason, events, node) for reason in reasons]
    return f"No: {'; '.join(clauses)}."


def _yes(tenant: str, node: str, permission: Permission | None, basis: str) -> str:
    if permission is not None:
        given = f"{about(permission.node)} on {when(permission.since)}"
        return f"Yes: the person consented to {given}, and nothing forbids it."
    if basis == "legitimate_interest":
        return f"Yes: {tenant} needs no consent for {about(node)} (legitimate interest), and nothing forbids it."
    return f"Yes: {about(node)} need no consent, and nothing forbids them."


def _because(reason: str, events: Sequence[Event], node: str) -> str:
    parts = [part for event in events for fact in event.facts for part in fact.parts]
    if reason == "expired":
        ends = [part.until for part in parts if part.comes_to == "expired" and part.until is not None]
        return f"the consent expired on {when(max(ends))}" if ends else WORDS[reason]
    if reason == "evidence_too_low":
        levels = [part.level for part in parts if part.comes_to == "too_weak" and part.level is not None]
        return f"{WORDS[reason]} (E{max(levels)})" if levels else WORDS[reason]
    if reason == "no_consent":
        void = [part for part in parts if part.kind == "grant" and part.comes_to == "void"]
        if void:
            return f"the consent of {when(max(each.since for each in void))} does not count"
        return f"nobody consented to {about(node)}"
    for event in reversed(events):
        for fact in event.facts:
            for part in fact.parts:
                if part.comes_to == "stands" and _REASON_OF.get(part.kind, part.kind) == reason:
                    return f"{SAID.get(reason, said(part))} on {_happened(part, event)}"
    return WORDS[reason]


def story(events: Iterable[Event]) -> tuple[str, ...]:
    """What happened, in the order in which it was received: a sentence a thing, and what became of it."""
    events = list(events)
    dates = {event.id: event for event in events}
    found = []
    for event in events:
        told: dict[str, None] = {}  # an event says the same under several keys: once is enough
        for fact in event.facts:
            for part in fact.parts:
                told.setdefault(f"{said(part)}{_dated(part, event)}{_route(fact, event)}{_fate(part, dates)}")
        found += [f"{when(event.received)}: {each} (event {event.id} from {event.source})." for each in told]
    return tuple(found)


def _happened(part: Part, event: Event) -> str:
    """When it happened at the latest, and when it was received if that was long after."""
    if not _old(part, event):
        return when(event.received)
    return f"{when(part.since)} (received {when(event.received)})"


def _dated(part: Part, event: Event) -> str:
    return f", dated {when(part.since)}" if _old(part, event) else ""


def _old(part: Part, event: Event) -> bool:
    """Whether an event came so late that a reader would take the wrong date for its own. A void has no date itself."""
    return part.kind != "void" and event.received - part.since > LATE_US


def said(part: Part) -> str:
    """What a part says, as a clause."""
    if part.kind == "grant":
        notice = f", notice {part.notice_id} version {part.notice_version}" if part.notice_id else ""
        return f"the person consented to {about(part.node)} (evidence E{part.level}{notice})"
    if part.kind == "lift":
        return f"{_block(part.about)} was lifted for {about(part.node)}"
    if part.kind == "void":
        return f"a consent was taken out of counting ({part.about})"
    if part.kind in ("birth", "bounce", "delivery", "minor"):
        return SAID[part.kind]
    return f"{SAID.get(part.kind, part.kind)}: {about(part.node)}"


def _block(kind: str) -> str:
    return "the birth date" if kind == "minor" else f"the block `{kind}`"


def _route(fact: FactTold, event: Event) -> str:
    if fact.kind == "base":
        return ", said for the same mailbox without its tag"
    if not fact.derived or any(not each.derived for each in event.facts if each.kind != "base"):
        return ""  # it was said for a key that was asked about, too
    if fact.over is None:
        return ", said for another key of the person, whose link is not known any more"
    where = f"the {fact.over.kind} that is linked to this {fact.kind}"
    return f", said for {where}" if fact.over.direct else f", said for a key that is linked to {where}"


def _fate(part: Part, events: Mapping[str, Event]) -> str:
    by = [_named(ident, events) for ident in part.by]
    because = f" by {' and '.join(by)}" if by else ""
    if part.comes_to == "lifted":
        return f"; lifted{because}, because staff or a review took it back"
    if part.comes_to == "cleared":
        return f"; cleared{because}, because the later consent names it and is proven well enough"
    if part.comes_to == "void":
        return f"; it does not count{because}"
    if part.comes_to == "expired" and part.until is not None:
        return f"; it expired on {when(part.until)}"
    return {
        "replaced": f"; a later one of the same sort is kept in its place{because}",
        "too_weak": "; that is too weak for this tenant",
        "not_yet": f"; it counts from {when(part.since)} on",
        "later": "; that had not happened yet",
        "answered": f"; a later delivery answers it{because}",
        "not_asked": "; that does not matter for what the law requires",
        "over": "; the person has come of age since",
    }.get(part.comes_to, "")


def _named(ident: str, events: Mapping[str, Event]) -> str:
    event = events.get(ident)
    return f"event {ident}" if event is None else f"event {ident} ({event.type}) of {when(event.received)}"


def about(node: str) -> str:
    """A node (`purpose:channel:scope`) in words."""
    purpose, channel, scope = node.split(":", 2)
    return f"{_ABOUT.get(purpose, purpose)}{_OVER.get(channel, '')}{'' if scope == '*' else f', {scope}'}"


def when(instant: int) -> str:
    """An instant (µs) in UTC, to the second; anybody may have written it, so one that no calendar has is a number."""
    try:
        return datetime.fromtimestamp(instant // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{instant} µs"
