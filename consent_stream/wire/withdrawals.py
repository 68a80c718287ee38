"""Whether a quarantined record may be somebody's "no" that is not applied. Pure.

RULES §6 applies a restriction that has tenant, type and subject whatever else is wrong with it. So what is left in
quarantine is a "no" only where that could not be read; and in doubt it is one: a false alarm costs a look, a "no" that
nobody sees costs a message to somebody who said it.

1. Not read at all (too large, a fact that cannot be decoded, no text): it may be.
2. Text that is no JSON, and events of unknown types: by words that are about a "no".
3. A known restriction of which nothing was applied, for want of a tenant or a subject: it is one.
4. A known type that says both (`preference.set`, `import.row`, `sms.inbound`): by what it says, as far as it is clear.
5. A refused permission is none. What else its event said was applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from consent_stream.domain.events import qualify, read_type
from consent_stream.domain.permissions import PERMISSIONS
from consent_stream.domain.policy import Policy
from consent_stream.domain.subjects import short_text
from consent_stream.domain.words import meaning
from consent_stream.wire.avro import WireError
from consent_stream.wire.records import read_events, told_headers

# Parts of words, so that names, sentences and query strings are found alike. Each alternative is of bounded length.
_WORDS = re.compile(
    r"unsub|opt[ ._+-]?(?:ed[ ._+-]?)?out|withdr|revo[ck]|refus|reject|declin|objection|objected"
    r"|(?<![a-z])stop(?!watch)|eras|forget|complain|spam|suppress|block[ ._-]?list|legal_block"
    r"|reassign|deactivat|deceas|restrict|minor"
    r"|gpc|gpp|preference|do[ ._+-]?not[ ._+-]?(?:contact|mail|e-?mail|call|text|sell|share|track)|remove[ ._+-]?me"
    r"|(?:subscription|consent|newsletter|mailing)[ ._+-]?(?:cancel|end|delet|remov)|invalidat|abmeld|abbestell"
    r"|widerr|widersp|d[eé]sabonn|d[eé]sinscri|(?<![a-z])baja(?![a-z])|revocar|descadastr|uitschr|afmeld|avregistr"
    r"|avmeld|wypis|odhl"
)
_STATUSES = ("subscribed", "unsubscribed", "bounced", "complained")
_NO_ONE = Policy()


def may_be_withdrawal(code: str, stage: str, value: bytes | None, events: Collection[int] = ()) -> bool:
    """Whether a record of `consent.quarantine` may hold a "no" that is not applied.

    Shapes: `code`, `stage` and `events` (which of a batch were refused; none: all) as its headers have them.
    Laws: never raises, whatever a sender wrote.
    """
    if code == "too_large" or stage != "intake":
        return True
    try:
        found = read_events(value)
    except WireError:
        return bool(value) and _unread(value or b"")
    refused = [event for index, event in enumerate(found) if not events or index in events]
    return any(map(_event, refused or found))


def of_record(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> bool:
    """The same of a record as it lies in the topic."""
    told = told_headers(headers)
    events = [each for each in told.get("events", "").split(",") if each.isascii() and each.isdigit()]
    code, stage = (told.get(name, "?") for name in ("code", "stage"))
    return may_be_withdrawal(code, stage, value, [int(each) for each in events if len(each) < 9])


def _unread(value: bytes) -> bool:
    try:
        return _about_a_no(value.replace(b"\0", b"").decode("utf-8-sig"))  # UTF-16 of plain letters, too
    except UnicodeDecodeError:
        return True


def _about_a_no(text: str) -> bool:
    return _WORDS.search(text.lower()) is not None


def _event(event: Any) -> bool:
    if not isinstance(event, dict) or not (name := short_text(event.get("type"))):
        return _spelled(event)
    kind = read_type(name)
    if kind.name in PERMISSIONS:
        return False
    if kind.apply is None:
        return _spelled(event)
    taken = qualify(event, 0, (0, 0), _NO_ONE, _key)
    data = event["data"] if isinstance(event.get("data"), dict) else {}
    lost = not taken.facts
    if kind.name == "preference.set":
        return _unclear_choice(data.get("topics"), lost)
    if kind.name == "import.row":
        status = data.get("status")
        return status not in _STATUSES or (lost and status in ("unsubscribed", "complained"))
    if kind.name == "sms.inbound":
        text = data.get("text")
        return lost and (not isinstance(text, str) or meaning(text) in ("stop", "review"))
    if kind.name == "delivery.bounced":  # a mailbox says so, and no person
        return False
    return lost or taken.code == "bad_value"


def _unclear_choice(topics: Any, lost: bool) -> bool:
    if not isinstance(topics, dict) or not topics:
        return True
    return any(each is not True and (lost or each is not False) for each in topics.values())


def _spelled(event: Any) -> bool:
    try:
        return _about_a_no(json.dumps(event, default=str, ensure_ascii=False))
    except (RecursionError, ValueError):  # nobody can look into it
        return True


def _key(tenant: str, channel: str, canonical: str) -> bytes:
    """A subject key of nobody: what is asked is only whether the event has a subject."""
    return b"\x01" + (b"c" if channel == "contact" else b"a") + bytes(17)
