"""What the naive reading makes of one event: what it says of which subject key, whom it links, why it is refused."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from consent_stream.domain.addresses import base_form, canonical_email, canonical_phone, kept_email, kept_phone

Node = tuple[str, str, str]
KeyOf = Callable[[str, str, str], bytes]
LEVEL = {"E0": 0, "E1": 1, "E2": 2, "E3": 3, "E4": 4}
ADULT = 16
SECOND = 1_000_000
FIVE_MINUTES = 300 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CODES = [
    "too_large",
    "not_cloudevent",
    "no_tenant",
    "unknown_type",
    "no_subject",
    "unknown_source",
    "bad_address",
    "no_channel",
    "no_program",
    "no_time",
    "future_time",
    "needs_two_people",
    "needs_reviewer",
    "no_notice",
    "unknown_notice",
    "purpose_not_in_notice",
    "bad_value",
]
PURPOSES = ("marketing", "sharing", "profiling", "transactional", "legal_required")
BOTH = frozenset(("email", "sms"))
PERMISSIONS = [
    "consent.requested",
    "consent.granted",
    "consent.confirmed",
    "consent.renewed",
    "sharing.optin",
    "sharing.optin_confirmed",
    "feedback.not_spam",
    "delivery.succeeded",
    "subject.restriction_lifted",
    "admin.lift",
    "review.cleared",
]
RESTRICTIONS = [
    "consent.refused",
    "consent.withdrawn",
    "consent.revoked",
    "consent.invalidated",
    "preference.set",
    "unsubscribe.oneclick",
    "unsubscribe.link",
    "unsubscribe.mailto",
    "unsubscribe.global",
    "objection.direct_marketing",
    "sms.inbound",
    "sharing.optout",
    "signal.gpc",
    "signal.gpp",
    "feedback.complaint",
    "delivery.bounced",
    "number.reassigned",
    "number.deactivated",
    "subject.age_asserted",
    "report.minor_suspected",
    "subject.deceased",
    "subject.restricted",
    "subject.erasure_ordered",
    "import.row",
    "admin.suppress",
    "admin.legal_block",
]
EVERYTHING: Node = ("*", "*", "*")


class Saying(NamedTuple):
    """One thing said of one subject key."""

    key: bytes
    what: str  # restriction, grant, lift, void, birth, bounced, delivered
    travels: str = ""  # `` stays; `from_contact` reaches linked addresses; `open` reaches linked contacts and theirs
    channels: frozenset[str] = BOTH  # of the linked addresses that it reaches
    kind: str = ""
    node: Node = EVERYTHING
    lo: int = 0
    hi: int = 0
    level: int = 0
    names: frozenset[Node] = frozenset()
    valid_until: int = 0
    id: str = ""
    source: str = ""
    batch: str = ""
    notice: str = ""
    credential: str = ""
    selector: str = ""
    date: date = date.min


class Heard(NamedTuple):
    sayings: list[Saying]
    links: set[tuple[bytes, bytes, frozenset[str]]]
    code: str


class Refused(Exception):
    """A permission that is not admitted, with its code."""


# time


def instant(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text, re.ASCII)
    if not found:
        return None
    whole, fraction, zone = found.groups()
    micros = (fraction or ".0")[1:7].ljust(6, "0")
    try:
        at = datetime.fromisoformat(f"{whole}.{micros}{'+00:00' if zone == 'Z' else zone}")
    except ValueError:
        return None
    return (at - EPOCH) // timedelta(microseconds=1)


def day(at: int) -> date:
    return (EPOCH + timedelta(microseconds=at)).date()


def midnight(of: date) -> int:
    return (of - date(1970, 1, 1)).days * DAY


def years_before(of: date, years: int) -> date:
    """The latest birthday of somebody who has turned `years` by then."""
    try:
        return of.replace(year=of.year - years)
    except ValueError:
        return date(of.year - years, 2, 28)


def adult(birth: date) -> int:
    """The end of the 16th birthday in the last zone to see it; 29 February counts as 1 March."""
    leap = (birth.month, birth.day) == (2, 29)
    birthday = date(birth.year + ADULT, 3, 1) if leap else birth.replace(year=birth.year + ADULT)
    return midnight(birthday) + DAY + 12 * HOUR


def months_on(at: int, months: int) -> int:
    moment = EPOCH + timedelta(microseconds=at)
    index = moment.year * 12 + moment.month - 1 + months
    for last in (moment.day, 30, 29, 28):
        if last <= moment.day:
            try:
                later = moment.replace(year=index // 12, month=index % 12 + 1, day=last)
            except ValueError:
                continue
            return (later - EPOCH) // timedelta(microseconds=1)
    raise AssertionError("every month has 28 days")


def when(clock: str, time: int | None, received: int) -> tuple[int, int, str]:
    """lo, hi, and why a permission may not use them."""
    if time is None or time < 631152000 * SECOND:
        return received, received, "no_time"
    if clock == "undated":
        return received, received, "no_time"
    claimed = midnight(day(time)) if clock == "dated" else time
    if claimed > received + FIVE_MINUTES:
        return received, received, "future_time"
    lo, hi = {
        "ours": (time, time + SECOND),
        "signed": (time - FIVE_MINUTES, min(time + FIVE_MINUTES, max(received, time))),
        "dated": (midnight(day(time)) - 14 * HOUR, midnight(day(time)) + DAY + 12 * HOUR - 1),
    }[clock]
    return min(lo, received), hi, ""


# nodes


def over(a: Node, b: Node) -> bool:
    return (
        a[0] in ("*", b[0]) and a[1] in ("*", b[1])
        and (a[2] == "*" or b[2].split("/")[: len(a[2].split("/"))] == a[2].split("/"))
    )  # fmt: skip


def good_scope(scope: object) -> bool:
    if not isinstance(scope, str) or len(scope.encode()) > 256:
        return False
    return scope == "*" or all(part not in ("", "*") for part in scope.split("/"))


def read_node(text: object) -> Node | None:
    if not isinstance(text, str) or text.count(":") < 2:
        return None
    purpose, channel, scope = text.split(":", 2)
    if purpose not in (*PURPOSES, "*") or channel not in ("email", "sms", "*") or not good_scope(scope):
        return None
    if purpose in ("sharing", "profiling"):
        return (purpose, channel, scope) if channel == "*" else None
    return None if scope != "*" and "*" in (purpose, channel) else (purpose, channel, scope)


# events


def hear(event: Mapping[str, Any], received: int, policy: Mapping[str, Any], key_of: KeyOf) -> Heard:
    flawed = event.get("specversion") != "1.0" or not all(
        isinstance(event.get(name), str) and event.get(name) for name in ("id", "source")
    )
    tenant, full = event.get("tenant"), event.get("type")
    if not isinstance(full, str) or not full:
        return Heard([], set(), "not_cloudevent")
    if not isinstance(tenant, str) or not tenant:
        return Heard([], set(), "not_cloudevent" if flawed else "no_tenant")
    name, version = name_of(full)
    known = name in RESTRICTIONS or (name in PERMISSIONS and version == "v1")
    if not known and not acts_like_unsubscribed(full):
        return Heard([], set(), "not_cloudevent" if flawed else "unknown_type")
    from .model_permissions import Permitting  # the parts of one reading; split for size alone

    reading = Permitting(event, received, policy, key_of, tenant, name if known else "", version, flawed)
    if not reading.keys():
        return Heard([], set(), "not_cloudevent" if flawed else "no_subject")
    reading.read()
    codes = ["not_cloudevent"] if flawed and reading.codes else sorted(reading.codes, key=CODES.index)
    return Heard(reading.sayings, reading.links() if known else set(), codes[0] if codes else "")


def name_of(full: str) -> tuple[str, str]:
    """The name that the table knows, whatever stands before it, and the version."""
    bare, version = split_version(full)
    for name in (*RESTRICTIONS, *PERMISSIONS):
        if bare == name or bare.endswith("." + name):
            return name, version
    return bare, version


def split_version(full: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*)\.(v\d+)", full)
    return (found[1], found[2]) if found else (full, "")


def acts_like_unsubscribed(full: str) -> bool:
    return split_version(full)[0].endswith((".withdrawn", ".optout", ".unsubscribed", ".stop"))


class Named(NamedTuple):
    """An address that an event names."""

    key: bytes
    channels: frozenset[str]
    readable: bool = True
    base: bytes | None = None


def addresses(data: Mapping[str, Any], channel: object, tenant: str, key_of: KeyOf) -> Iterable[Named]:
    email, phone, region = data.get("email"), data.get("phone"), data.get("region")
    if isinstance(email, str) and email.strip():
        canonical = canonical_email(email)
        if canonical is None:
            yield Named(key_of(tenant, "email", kept_email(email)), frozenset(("email",)), False)
        else:
            base = base_form(canonical)
            base_key = key_of(tenant, "email", base) if base != canonical else None
            yield Named(key_of(tenant, "email", canonical), frozenset(("email",)), True, base_key)
    if isinstance(phone, str) and phone.strip():
        canonical = canonical_phone(phone, region if isinstance(region, str) else None)
        kept = kept_phone(phone) if canonical is None else canonical
        yield Named(key_of(tenant, "sms", kept), frozenset(("sms",)), canonical is not None)
    for text in data.get("keys", []):
        key = bytes.fromhex(text)
        if key[1:2] == b"a":
            yield Named(key, frozenset((channel,)) if channel in ("email", "sms") else BOTH)


def contacts(data: Mapping[str, Any], tenant: str, key_of: KeyOf) -> Iterable[bytes]:
    if isinstance(data.get("contact"), str) and data["contact"]:
        yield key_of(tenant, "contact", data["contact"])
    for text in data.get("keys", []):
        if bytes.fromhex(text)[1:2] == b"c":
            yield bytes.fromhex(text)
