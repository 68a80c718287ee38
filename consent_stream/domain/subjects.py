"""Whom an event is about: contacts and addresses, readable or not, and where a fact about them is kept (RULES §6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from consent_stream.domain.addresses import base_form, canonical_email, canonical_phone, kept_email, kept_phone
from consent_stream.domain.facts import CHANNEL_MASK, CONTACT, EMAIL, KINDS, SMS, Part, Restriction
from consent_stream.domain.nodes import ANY, CHANNELS, node
from consent_stream.domain.policy import WHOLE, Policy, Source, Tenant
from consent_stream.domain.times import Interval

KEY_BYTES = 19
TEXT_BYTES = 256  # of a tenant, type, event id, source, batch or credential
NEVER = Interval(0, 0)


class KeyOf(Protocol):
    def __call__(self, tenant: str, channel: str, canonical: str, /) -> bytes:
        """The subject key of a canonical address (`email`, `sms`) or of a contact id (`contact`)."""


class Address(NamedTuple):
    key: bytes
    channels: int
    ok: bool = True  # False: could not be canonicalised; kept for restrictions alone
    base: bytes | None = None  # the key of its base form, where that is another


@dataclass(slots=True)
class Event:
    """One event while it is qualified: what was read, and the parts, codes and counts found so far."""

    tenant: str
    id: str
    source: str
    type: str
    data: Mapping[str, Any]
    received: int
    flawed: bool
    policy: Policy
    rules: Tenant
    registered: Source | None  # for this tenant
    scopeless: bool = False  # its scope is read as `*`
    other_version: bool = False  # of a known type: its restrictions act, its permissions do not
    time: int | None = None
    when: Interval = NEVER
    channel: str | None = None  # `email`, `sms`, `*`, `?` (unknown), None (not given)
    contacts: list[bytes] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    misread: str = ""  # the code of a subject that a permission must not overlook
    parts: dict[bytes, tuple[int, list[Part]]] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)

    def named(self) -> list[tuple[bytes, int]]:
        """The keys named, with what they stand for."""
        if not self.contacts:
            return [address[:2] for address in self.addresses]
        return [(key, CONTACT) for key in self.contacts] + [address[:2] for address in self.addresses]

    def add(self, key: bytes, channels: int, part: Part) -> None:
        found = self.parts.get(key)
        if found is None:
            self.parts[key] = (channels, [part])
        elif part not in found[1]:
            found[1].append(part)

    def under_all(self, part: Part) -> None:
        for key, channels in self.named():
            self.add(key, channels, part)

    @property
    def open(self) -> bool:
        """An address and no contact: a person fact then reaches linked contacts."""
        return not self.contacts

    def restrict(self, kind: str, purpose: str, channel: str, scope: str, hi: int | None = None) -> None:
        """A restriction under every key where its kind belongs."""
        if KINDS[kind].person:
            part = self._restriction(kind, purpose, channel, scope, self.open, hi)
            self.under_all(part)
            self._base_copies(part)
        else:
            self._on_address(kind, purpose, channel, scope, hi)

    def _restriction(
        self, kind: str, purpose: str, channel: str, scope: str, open_: bool, hi: int | None
    ) -> Restriction:
        at = self.when.hi if hi is None else hi
        return Restriction(kind, node(purpose, channel, scope), open_, at, self.id, self.source, self.type)

    def _on_address(self, kind: str, purpose: str, channel: str, scope: str, hi: int | None) -> None:
        part = self._restriction(kind, purpose, channel, scope, False, hi)
        about = "sms" if KINDS[kind].sms_only else channel
        if about == ANY:
            self.under_all(part)
            self._base_copies(part)
            return
        there = [a for a in self.addresses if a.channels & CHANNEL_MASK[about]]
        for address in there:
            self.add(address.key, address.channels, part)
        if not any(address.ok for address in there):
            for contact in self.contacts:
                self.add(contact, CONTACT, part)
            if not self.contacts:  # the address is missing: the kind holds for all that the other keys stand for
                wide = self._restriction(kind, purpose, ANY, ANY, False, hi)
                for address in self.addresses:
                    if address not in there:
                        self.add(address.key, address.channels, wide)
        self._base_copies(part, CHANNEL_MASK[about])

    def _base_copies(self, part: Restriction, mask: int = EMAIL) -> None:
        if KINDS[part.kind].base_form and mask & EMAIL:
            for address in self.addresses:
                if address.base:
                    self.add(address.base, EMAIL, part._replace(open=False))


def find_subjects(ev: Event, about: str | None, key_of: KeyOf) -> None:
    """Fill in channel, contacts and addresses of an event. `about` is the channel that the type itself implies."""
    data = ev.data
    channel = data.get("channel")
    if channel is not None:
        ev.channel = channel if channel in CHANNELS or channel == ANY else "?"
    if about is not None:
        ev.channel = about
    _contact(ev, data.get("contact"), key_of)
    _address(ev, data.get("email"), EMAIL, key_of)
    _address(ev, data.get("phone"), SMS, key_of)
    keys = data.get("keys")
    if keys is not None:
        _hex_keys(ev, keys if isinstance(keys, list) else [keys])


def _contact(ev: Event, contact: object, key_of: KeyOf) -> None:
    if contact is None:
        return
    if isinstance(contact, int) and not isinstance(contact, bool) and abs(contact) < WHOLE:
        contact, ev.misread = str(contact), "bad_value"
    if isinstance(contact, str) and contact and encodes(contact):
        ev.contacts.append(key_of(ev.tenant, "contact", contact))
    else:
        ev.misread = "bad_value"


def short_text(value: object) -> str:
    """A text that can be written out with every fact; empty when it is none, cannot be encoded, or is too long."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value if len(value) <= TEXT_BYTES else ""
    return value if encodes(value) and len(value.encode()) <= TEXT_BYTES else ""


def encodes(text: str) -> bool:
    """Whether a text can be hashed: a lone surrogate cannot."""
    return text.isascii() or not any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def _address(ev: Event, text: object, mask: int, key_of: KeyOf) -> None:
    if text is None:
        return
    if not isinstance(text, str) or not text.strip() or not encodes(text):
        ev.misread = "bad_address"
        return
    if mask == EMAIL:
        channel, canonical = "email", canonical_email(text)
    else:
        region = ev.data.get("region")
        region = region.upper() if isinstance(region, str) and len(region) == 2 else None
        channel, canonical = "sms", canonical_phone(text, region)
    if canonical is None:
        ev.misread = "bad_address"
        kept = kept_email(text) if mask == EMAIL else kept_phone(text)
        ev.addresses.append(Address(key_of(ev.tenant, channel, kept), mask, ok=False))
        return
    base = None
    if mask == EMAIL and ("+" in canonical or canonical.endswith(("@gmail.com", "@googlemail.com"))):
        form = base_form(canonical)
        base = key_of(ev.tenant, "email", form) if form != canonical else None
    ev.addresses.append(Address(key_of(ev.tenant, channel, canonical), mask, base=base))


def _hex_keys(ev: Event, keys: list[object]) -> None:
    mask = CHANNEL_MASK.get(ev.channel or "", EMAIL | SMS)
    for text in keys:
        try:
            key = bytes.fromhex(text) if isinstance(text, str) else b""
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES or key[0] != 1 or key[1:2] not in b"ac":
            ev.misread = ev.misread or "bad_value"
        elif key[1:2] == b"c":
            ev.contacts.append(key)
        else:
            ev.addresses.append(Address(key, mask))
