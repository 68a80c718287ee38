"""Which subject keys a question concerns (RULES §10): the address under every live key id, its base form, the contact.

Pure, and remembered: the keys of an address cost four times what the rest of an answer costs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from consent_stream.domain.addresses import base_form, canonical_email, canonical_phone
from consent_stream.wire.keys import SUBJECT_KEY_BYTES, Keyring, UnknownTenantKey

REMEMBERED = 65_536  # recent addresses, about 600 bytes each


class Question(NamedTuple):
    """May this be sent to this one address? The fields are the arguments of `Gate.check`."""

    tenant: str
    email: str | None = None
    phone: str | None = None
    key: str | None = None
    contact: str | None = None
    region: str | None = None
    purpose: str = "marketing"
    scope: str = "*"
    at: int | datetime | None = None

    def __repr__(self) -> str:  # a mailer logs what it asked: no address, no contact
        return f"<Question of {self.tenant}: {self.purpose}, scope {self.scope}>"


class Asked(NamedTuple):
    """The rows to look at. fault: the reason that stands in place of an answer, empty when there is none."""

    keys: tuple[bytes, ...] = ()  # of the address and of the contact
    bases: tuple[bytes, ...] = ()  # of the base form: four kinds count there
    channel: str = ""  # of the address; empty for a bare key
    bare: bool = False  # asked by subject key: whose address it is cannot be told
    fault: str = ""


Subjects = Callable[[str, str | None, str | None, str | None, str | None, str | None], Asked]


def subjects(keyring: Keyring | None) -> Subjects:
    """A function of (tenant, email, phone, key in hex, contact, region) that remembers recent answers."""

    live = lru_cache(REMEMBERED // 64)(_live)

    @lru_cache(REMEMBERED)
    def asked(
        tenant: str, email: str | None, phone: str | None, key: str | None, contact: str | None, region: str | None
    ) -> Asked:
        try:
            return _asked(keyring, live, tenant, email, phone, key, contact, region)
        except (UnknownTenantKey, UnicodeEncodeError):  # a lone surrogate in a tenant's name is no tenant
            return Asked(fault="unknown_tenant_key")

    return asked


def _asked(
    keyring: Keyring | None,
    live: Callable[[Keyring, str], list[int]],
    tenant: str,
    email: str | None,
    phone: str | None,
    key: str | None,
    contact: str | None,
    region: str | None,
) -> Asked:
    if contact is not None and not _readable(contact):
        return Asked(fault="bad_address")
    bases: tuple[bytes, ...] = ()
    if key is not None:
        return _bare(keyring, live, tenant, key, contact)
    if email is not None:
        channel, canonical = "email", canonical_email(email)
    else:
        region = region.upper() if region is not None and len(region) == 2 else None
        channel, canonical = "sms", canonical_phone(phone or "", region)
    if canonical is None:
        return Asked(fault="bad_address")
    if keyring is None:
        raise UnknownTenantKey(tenant)
    own = keyring.all(tenant, channel, canonical)
    if channel == "email" and (form := base_form(canonical)) != canonical:
        bases = tuple(keyring.all(tenant, "email", form))
    return Asked((*own, *_contact(keyring, tenant, contact)), bases, channel)


def _bare(
    keyring: Keyring | None, live: Callable[[Keyring, str], list[int]], tenant: str, text: str, contact: str | None
) -> Asked:
    """A subject key, as a signed link carries it. It stands under one key id, and the address under others is unknown:
    while several are live, a "no" could stand where nobody looks."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != SUBJECT_KEY_BYTES or key[:2] != b"\x01a":
        return Asked(fault="bad_address")
    if keyring is None or live(keyring, tenant) != [key[2]]:
        return Asked(fault="unknown_tenant_key")
    return Asked((key, *_contact(keyring, tenant, contact)), bare=True)


def _live(keyring: Keyring, tenant: str) -> list[int]:
    return [key[2] for key in keyring.all(tenant, "email", "")]


def _contact(keyring: Keyring, tenant: str, contact: str | None) -> list[bytes]:
    return [] if contact is None else keyring.all(tenant, "contact", contact)


def _readable(contact: str) -> bool:
    return bool(contact) and (contact.isascii() or not any("\ud800" <= char <= "\udfff" for char in contact))
