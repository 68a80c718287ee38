"""What each restricting event forbids (RULES §6, §7, §8). What cannot be read is widened, not refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from consent_stream.domain import permissions, words
from consent_stream.domain.facts import EMAIL, SMS, Birth, Delivery, Void
from consent_stream.domain.nodes import ANY, EVERYTHING, parse_node, program, valid_scope
from consent_stream.domain.policy import NO_WORDS
from consent_stream.domain.subjects import TEXT_BYTES, Event, encodes
from consent_stream.domain.times import TOLERANCE, dated_hi, day_of, parse_day, parse_instant, start_of, years_before

PARTS_PER_EVENT = 1000  # topics or voids × keys; beyond that an event is widened, so that one record stays cheap
SELECTOR_CHARS = 2 * TEXT_BYTES + 16
HARD_BOUNCES = frozenset(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"))


# -- where: channel and scope of a restriction -------------------------------------------------------


def scope_of(ev: Event) -> str:
    """The scope given; `*` when it is missing, ill-formed, or of a later version of the type."""
    scope: Any = ev.data.get("scope")
    return scope if not ev.scopeless and valid_scope(scope) else ANY


def places(ev: Event, scope: str) -> Iterator[tuple[str, str]]:
    """The (channel, scope) pairs that a restriction with this scope concerns."""
    if ev.channel in ("email", "sms"):
        yield ev.channel, scope
    elif ev.channel is not None:  # `*`, or a channel that we do not know: all of them
        yield ANY, ANY
    else:
        masks = {address.channels for address in ev.addresses}
        if masks == {EMAIL}:
            yield "email", scope
        elif masks == {SMS}:
            yield "sms", scope
        elif scope == ANY:
            yield ANY, ANY
        else:
            yield "email", scope
            yield "sms", scope


def _restrict_each(ev: Event, kind: str, purpose: str, scope: str) -> None:
    for channel, where in places(ev, scope):
        ev.restrict(kind, purpose, channel, where)


def _stop_sharing(ev: Event, scope: str) -> None:
    ev.restrict("sharing_opt_out", "sharing", ANY, scope)


def _object(ev: Event, purpose: str) -> None:
    ev.restrict("objected", purpose, ANY, ANY)


# -- consent withdrawn, preferences, unsubscribes ------------------------------------------------------


def withdrawn(ev: Event) -> None:
    _withdraw(ev, ev.data.get("purpose"), scope_of(ev))


def _withdraw(ev: Event, purpose: object, scope: str) -> None:
    if purpose == "sharing":
        _stop_sharing(ev, scope)
    elif purpose == "profiling":
        _object(ev, "profiling")
    elif purpose == ANY:
        ev.restrict("global_opt_out", "marketing", ANY, ANY)
        _object(ev, "marketing")
        _object(ev, "profiling")
        _stop_sharing(ev, ANY)
    else:
        about = "transactional" if purpose == "transactional" else "marketing"
        for channel, where in places(ev, scope):
            if where != ANY:
                ev.restrict("topic_opt_out", about, channel, where)
            elif channel == ANY and about == "marketing":
                ev.restrict("global_opt_out", about, ANY, ANY)
            else:
                ev.restrict("unsubscribed", about, channel, ANY)


def preference_set(ev: Event) -> None:
    topics = ev.data.get("topics")
    if not isinstance(topics, dict) or not topics:
        ev.codes.append("bad_value")
        return
    purpose = ev.data.get("purpose")
    if len(topics) * len(ev.named()) > PARTS_PER_EVENT:  # nobody chose so much; what was refused is refused whole
        topics = {ANY: False, "": None} if False in topics.values() else {"": None}
    for scope, wanted in topics.items():
        if wanted is True:
            permissions.grant_topic(ev, scope)
            continue
        if wanted is not False:
            ev.codes.append("bad_value")
            continue
        where = scope if valid_scope(scope) else ANY
        if purpose in ("sharing", "profiling", ANY):
            _withdraw(ev, purpose, where)
        else:
            about = "transactional" if purpose == "transactional" else "marketing"
            _restrict_each(ev, "topic_opt_out", about, where)


def unsubscribed(ev: Event) -> None:
    scope = scope_of(ev)
    where = ANY if scope == ANY or ev.rules.unsubscribe_scope == "channel" else program(scope)
    _restrict_each(ev, "unsubscribed", "marketing", where)


def unsubscribed_globally(ev: Event) -> None:
    ev.restrict("global_opt_out", "marketing", ANY, ANY)


def objected(ev: Event) -> None:
    _object(ev, "marketing")
    _object(ev, "profiling")


def unknown_restriction(ev: Event) -> None:
    """A name we do not know that ends like a restriction: marketing, or the purpose it speaks of, at scope `*`."""
    purposes = {part for part in ev.type.split(".")[:-1] if part in ("sharing", "profiling")}
    purposes |= {purpose for purpose in ("sharing", "profiling") if ev.data.get("purpose") == purpose}
    if "sharing" in purposes:
        _stop_sharing(ev, ANY)
    if "profiling" in purposes:
        _object(ev, "profiling")
    if not purposes:
        _restrict_each(ev, "unsubscribed", "marketing", ANY)


# -- sharing signals ---------------------------------------------------------------------------------


def sharing_optout(ev: Event) -> None:
    _stop_sharing(ev, scope_of(ev))


def signal_gpc(ev: Event) -> None:
    headers = ev.data.get("headers")
    values = headers if isinstance(headers, list) else [headers]
    if any(value == "1" or (value == 1 and value is not True) for value in values):
        _stop_sharing(ev, ANY)
    else:
        ev.counts.append("no_signal")


def signal_gpp(ev: Event) -> None:
    sections = ev.data.get("sections")
    fields = (
        [section for section in sections.values() if isinstance(section, dict)] if isinstance(sections, dict) else []
    )
    if any(_opts_out(name, value) for section in fields for name, value in section.items()):
        _stop_sharing(ev, ANY)
    else:
        ev.counts.append("no_signal")


def _opts_out(name: str, value: object) -> bool:
    return (name.endswith("OptOut") or name == "Gpc") and value in (1, "1")


# -- text messages ---------------------------------------------------------------------------------


def sms_inbound(ev: Event) -> None:
    text = ev.data.get("text")
    if isinstance(text, str):
        found = words.meaning(text, ev.policy.words.get(ev.tenant, NO_WORDS))
    else:  # what cannot be read may have been a STOP
        found = "review"
    stop = stop_place(ev)
    if found == "start":
        permissions.start_by_text(ev, stop)
    elif found:
        ev.restrict("sms_stop" if found == "stop" else "sms_stop_review", *stop)
    else:
        ev.counts.append("text_without_effect")


def stop_place(ev: Event) -> tuple[str, str, str]:
    """The node that a STOP with this event's data sets."""
    named = ev.data.get("program")
    if ev.rules.stop_scope == "program" and valid_scope(named) and named != ANY:
        return "marketing", "sms", str(named)
    return ANY, "sms", ANY


# -- feedback, deliverability, numbers ---------------------------------------------------------------


def complained(ev: Event) -> None:
    kind = ev.data.get("feedback_type")
    if kind is None or not isinstance(kind, str) or kind.strip().casefold() in ("abuse", ""):
        _restrict_each(ev, "complaint", "marketing", ANY)
    else:
        ev.counts.append("feedback_recorded")


def bounced(ev: Event) -> None:
    status = ev.data.get("status")
    if isinstance(status, str) and status in HARD_BOUNCES:
        hard_bounce(ev)
    else:
        ev.counts.append("soft_bounce")


def hard_bounce(ev: Event) -> None:
    mask = {"email": EMAIL, "sms": SMS}.get(ev.channel or "", EMAIL | SMS)
    there = [address for address in ev.addresses if address.channels & mask]
    if not there:
        ev.counts.append("delivery_without_address")
    for address in there:
        ev.add(address.key, address.channels, Delivery(True, ev.when.hi, ev.id, ev.source))


def number_lost(ev: Event) -> None:
    hi = _disconnected(ev)
    ev.restrict("reassigned", ANY, "sms", ANY, hi)
    ev.restrict("reassigned", "sharing", ANY, ANY, hi)
    ev.restrict("reassigned", "profiling", ANY, ANY, hi)


def _disconnected(ev: Event) -> int | None:
    text = ev.data.get("disconnect_date")
    day = parse_day(text) if isinstance(text, str) else None
    if day is None:
        instant = parse_instant(text)
        day = day_of(instant) if instant is not None else None
    return dated_hi(day) if day is not None and start_of(day) <= ev.received + TOLERANCE else None


# -- the person --------------------------------------------------------------------------------------


def erased(ev: Event) -> None:
    ev.restrict("erased", *EVERYTHING)


def frozen(ev: Event) -> None:
    ev.restrict("frozen", *EVERYTHING)


def deceased(ev: Event) -> None:
    ev.restrict("deceased", *EVERYTHING)


def minor_suspected(ev: Event) -> None:
    for purpose in ("marketing", "sharing", "profiling"):
        ev.restrict("minor_suspected", purpose, ANY, ANY)


def by_staff(kind: str) -> Callable[[Event], None]:
    def restrict(ev: Event) -> None:
        text = ev.data.get("node")
        where = (parse_node(text) if isinstance(text, str) else None) or EVERYTHING
        ev.restrict(kind, *where)

    return restrict


def age_asserted(ev: Event) -> None:
    today = day_of(ev.when.hi)
    text = ev.data.get("birth_date")
    born = parse_day(text) if isinstance(text, str) else None
    if born is None:
        band = ev.data.get("band")
        if band in ("under_13", "under_16"):
            born = today
        elif band == "13_15":
            born = years_before(today, 13)
        else:
            ev.counts.append("age_without_effect")
            return
    ev.under_all(Birth(min(born, today), ev.open, ev.when.hi, ev.id, ev.source))


# -- voids and imports -------------------------------------------------------------------------------


def invalidated(ev: Event) -> None:
    selectors = ev.data.get("voids")
    found: list[tuple[str, int]] = []
    for text in selectors if isinstance(selectors, list) else [None]:
        read = read_selector(text)
        found += read
        if not read:
            ev.codes.append("bad_value")
    if len(found) * len(ev.named()) > PARTS_PER_EVENT:
        found = [(ANY, 0)]
    if not found:
        ev.codes.append("bad_value")
    for selector, since in found:
        ev.under_all(Void(selector, ev.open, since, ev.id, ev.source))


def read_selector(text: object) -> list[tuple[str, int]]:
    """(selector, since) of a void (RULES §5); nothing for what is none, or longer than anything it could select.

    A credential without a readable time is void from the beginning; where an `@` may belong to its id, both ways.
    """
    kind, _, rest = text.partition(":") if isinstance(text, str) and len(text) <= SELECTOR_CHARS else ("", "", "")
    if not encodes(rest):
        return []
    if (kind, "#" in rest) == ("grant", True) or (kind == "batch" and rest) or (kind, "@" in rest) == ("notice", True):
        return [(f"{kind}:{rest}", 0)]
    if kind != "credential" or not rest:
        return []
    credential, at, since = rest.rpartition("@")
    instant = parse_instant(since) if at else None
    if instant is not None:
        return [(f"credential:{credential}", instant)]
    return [(f"credential:{each}", 0) for each in dict.fromkeys((credential or rest, rest))]


def import_row(ev: Event) -> None:
    status = ev.data.get("status")
    if status == "subscribed":
        permissions.grant_row(ev)
    elif status == "unsubscribed":
        purpose = ev.data.get("purpose")
        if purpose in ("sharing", "profiling", "transactional", ANY):  # of that list, which is none of marketing's
            _withdraw(ev, purpose, scope_of(ev))
        else:
            unsubscribed(ev)
    elif status == "complained":
        _restrict_each(ev, "complaint", "marketing", ANY)
    elif status == "bounced":
        hard_bounce(ev)
    else:
        ev.codes.append("bad_value")


RESTRICTIONS: Mapping[str, Callable[[Event], Any]] = {
    "consent.refused": withdrawn,
    "consent.withdrawn": withdrawn,
    "consent.revoked": withdrawn,
    "consent.invalidated": invalidated,
    "preference.set": preference_set,
    "unsubscribe.oneclick": unsubscribed,
    "unsubscribe.link": unsubscribed,
    "unsubscribe.mailto": unsubscribed,
    "unsubscribe.global": unsubscribed_globally,
    "objection.direct_marketing": objected,
    "sms.inbound": sms_inbound,
    "sharing.optout": sharing_optout,
    "signal.gpc": signal_gpc,
    "signal.gpp": signal_gpp,
    "feedback.complaint": complained,
    "delivery.bounced": bounced,
    "number.reassigned": number_lost,
    "number.deactivated": number_lost,
    "subject.age_asserted": age_asserted,
    "report.minor_suspected": minor_suspected,
    "subject.deceased": deceased,
    "subject.restricted": frozen,
    "subject.erasure_ordered": erased,
    "import.row": import_row,
    "admin.suppress": by_staff("suppressed_by_staff"),
    "admin.legal_block": by_staff("legal"),
}
