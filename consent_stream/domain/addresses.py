"""Canonical addresses (nv 1 of WIRE §2): the text that is hashed, so that all spellings are one subject."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna
import phonenumbers

ADDRESS_CHARS = 320  # RFC 5321: 64 octets, `@`, 255 octets
READ_CHARS = 50 * ADDRESS_CHARS  # no padding is so long
CACHED_CHARS = 2 * ADDRESS_CHARS  # longer texts are garbage: read, but not remembered, so that they cannot fill memory
_PLAIN = re.compile(
    r"([a-z0-9!#$%&'*+/=?^_`{|}~.-]+)@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)"
)
# Most addresses of a list, and canonical as they stand: a narrower `_PLAIN`, in lower case, whose domain has no hyphen.
_CANONICAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}+@(?:[a-z0-9]{1,63}+\.)++[a-z][a-z0-9]{0,62}+")
_CANONICAL_CHARS = 253  # of the whole, as of a domain alone
_ACE = re.compile(r"(?:^|\.)..--")
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0")


def zero_width(char: str) -> bool:
    """Characters that leave no mark on a screen: format controls, variation selectors, fillers."""
    if char in _FILLERS:
        return True
    return unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def canonical_email(text: str) -> str | None:
    """The canonical e-mail address, or None for what is none.

    Space around and zero-width characters go; the domain becomes lower-case A-labels by UTS-46 (non-transitional)
    without a trailing dot; the local part is NFKC-casefolded, its dots and `+tag` kept.
    """
    if len(text) <= _CANONICAL_CHARS and _CANONICAL.fullmatch(text):
        return text
    if len(text) <= CACHED_CHARS:
        return _email(text)
    return _email.__wrapped__(text) if len(text) <= READ_CHARS else None


@lru_cache(65536)
def _email(text: str) -> str | None:
    lowered = text.strip().lower() if text.isascii() else ""
    plain = _PLAIN.fullmatch(lowered)
    if plain and len(lowered) <= ADDRESS_CHARS and len(plain[2]) <= 253 and not _ACE.search(plain[2]):
        return lowered
    cleaned = "".join(char for char in text.strip() if not zero_width(char)).strip()
    local, domain = _split(cleaned)
    local = unicodedata.normalize("NFKC", local).casefold()
    if not local or not domain or len(cleaned) > ADDRESS_CHARS or not _sound(local):
        return None
    try:
        ascii_domain = idna.encode(domain, uts46=True, transitional=False).decode().lower().rstrip(".")
    except (idna.IDNAError, UnicodeError, ValueError):
        return None
    return f"{local}@{ascii_domain}" if ascii_domain else None


def _split(text: str) -> tuple[str, str]:
    """Local part and domain at the last `@` outside double quotes; a domain never holds a quote."""
    at = text.rfind("@")
    if at < 0 or '"' in text[at:]:
        return "", ""
    return text[:at], text[at + 1 :]


def _sound(local: str) -> bool:
    if len(local) > 2 and local[0] == local[-1] == '"':
        return not any(unicodedata.category(char) == "Cc" for char in local)
    return not any(char in '@"' or char.isspace() or unicodedata.category(char) in ("Cc", "Cs") for char in local)


def base_form(email: str) -> str:
    """The canonical address without its `+tag`; at Gmail also without dots and as gmail.com (RULES §6)."""
    local, _, domain = email.rpartition("@")
    if not local.startswith('"'):
        local = local.split("+", 1)[0] or local
        if domain in ("gmail.com", "googlemail.com"):
            local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{domain}"


def canonical_phone(text: str, region: str | None) -> str | None:
    """E.164 of a valid number, its extension dropped; None without `+` and without a region: nothing is guessed."""
    if len(text) <= CACHED_CHARS:
        return _phone(text, region)
    return _phone.__wrapped__(text, region) if len(text) <= READ_CHARS else None


@lru_cache(65536)
def _phone(text: str, region: str | None) -> str | None:
    number = unicodedata.normalize("NFKC", "".join(char for char in text if not zero_width(char))).strip()
    if len(number) > 64 or (not number.startswith("+") and region is None):
        return None
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def kept_email(text: str) -> str:
    """Under what a restriction is kept whose e-mail address cannot be read."""
    return unicodedata.normalize("NFKC", text).casefold()


def kept_phone(text: str) -> str:
    """Under what a restriction is kept whose number cannot be parsed as valid: its digits with `+`."""
    digits = "".join(str(unicodedata.digit(char)) for char in text if unicodedata.digit(char, None) is not None)
    return f"+{digits}" if digits else kept_email(text)
