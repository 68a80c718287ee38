"""What a sender wrote, with its shape and without its words: every letter an `x`, every digit a `9`. Pure.

What stays readable is what this project itself gives names to: fields, types, purposes, channels, where they stand
alone between quotes. An address is none of these.
"""

from __future__ import annotations

import re

from consent_stream.domain.nodes import PURPOSES
from consent_stream.domain.permissions import PERMISSIONS
from consent_stream.domain.restrictions import RESTRICTIONS
from consent_stream.wire.avro import WireError
from consent_stream.wire.records import MAX_VALUE, read_events

NAMES = frozenset((
    "specversion", "1.0", "id", "source", "type", "time", "tenant", "datacontenttype", "application/json", "subject",
    "data", "contact", "email", "phone", "keys", "channel", "purpose", "scope", "notice", "version", "evidence",
    "names", "valid_until", "batch", "credential", "method", "origin", "words", "approved_by", "node", "kind", "topics",
    "message_id", "text", "program", "headers", "sections", "feedback_type", "status", "disconnect_date", "birth_date",
    "band", "date", "reason", "voids", "confirms", "renews", "region", "sms", "*", *PURPOSES, *RESTRICTIONS,
    *PERMISSIONS, *(f"{name}.v1" for name in (*RESTRICTIONS, *PERMISSIONS)),
))  # fmt: skip
SHOWN = 4_000  # characters
_PIECES = re.compile(r'"([a-z0-9._*/-]{1,60})"|\b(true|false|null)\b|(.)', re.ASCII | re.DOTALL)


def masked(value: bytes | None) -> str:
    """A value as it may be shown: text by its shape, anything else by its size and first two bytes."""
    if not value:
        return "null" if value is None else "empty"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"no text: {len(value)} bytes that begin with {value[:2].hex()}"
    more = f"\n… {len(text) - SHOWN:,} characters more" if len(text) > SHOWN else ""
    return _PIECES.sub(_piece, text[:SHOWN]) + more


def _piece(found: re.Match[str]) -> str:
    name, literal, char = found.groups()
    if name is not None:
        return f'"{name}"' if name in NAMES else f'"{"".join(map(_char, name))}"'
    return literal or _char(char)


def _char(char: str) -> str:
    if char.isascii():
        return "9" if char.isdigit() else "x" if char.isalpha() else char if char.isprintable() or char == "\n" else "·"
    return "x" if char.isalnum() else "·"


def described(value: bytes | None) -> str:
    """What a value is, in a few words."""
    if not value:
        return "null" if value is None else "empty"
    size = f"{len(value):,} bytes"
    if len(value) > MAX_VALUE:
        return f"{size}, more than the {MAX_VALUE:,} that are read"
    try:
        events = read_events(value)
    except WireError as error:
        return f"{size}, {error}"
    return f"{size}, " + ("one event" if len(events) == 1 else f"a batch of {len(events):,} events")
