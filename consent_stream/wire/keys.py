"""Subject keys: 19 bytes that stand for an address or a contact of one tenant and tell nothing else (WIRE §2).

`version 0x01 | kind ('a' address, 'c' contact) | kid | first 16 bytes of HMAC-SHA-256`. The key is derived per tenant,
so that no key of one tenant equals one of another, and a mailer can be given its own tenant's key alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TypeGuard

ROOT_KEY_BYTES = 32
SUBJECT_KEY_BYTES = 19
HEARTBEAT_KEY = b"\x01H" + bytes(17)
_CACHED = 131_072  # recent addresses whose key is remembered
_LONGEST_CACHED = 512  # characters; an address has at most 320, a contact id is any text


ADDRESS_KEY, CONTACT_KEY = b"\x01a", b"\x01c"  # how a subject key begins: version, and what it stands for


def is_subject_key(key: bytes | None) -> TypeGuard[bytes]:
    """Whether a key of a record is one of an address or a contact, and no heartbeat's or anybody's own."""
    return key is not None and len(key) == SUBJECT_KEY_BYTES and key[:2] in (ADDRESS_KEY, CONTACT_KEY)


def kind_of(key: bytes) -> str:
    """`address` or `contact`."""
    return "contact" if key[:2] == CONTACT_KEY else "address"


class UnknownTenantKey(KeyError):
    """No key material for that tenant. The message names the tenant, nothing else."""


class Keyring:
    """Key material of a process: root keys by key id, or single tenants' derived keys.

    Shapes: `roots` {kid: 32 bytes}; `derived` {(tenant, kid): 32 bytes}; `current` is the kid of new facts;
    `fingerprints` those of the root keys that `derived` came from, if they are known.
    """

    def __init__(
        self,
        roots: Mapping[int, bytes] | None = None,
        current: int | None = None,
        derived: Mapping[tuple[str, int], bytes] | None = None,
        fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        self._roots, self._derived = dict(roots or {}), dict(derived or {})
        self._told = dict(fingerprints or {})
        kids = {*self._roots, *(kid for _, kid in self._derived)}
        if not kids:
            raise ValueError("a keyring needs at least one key")
        for kid in kids:
            if not 0 <= kid <= 255:
                raise ValueError(f"key id {kid} is not from 0 to 255")
        for key in (*self._roots.values(), *self._derived.values()):
            if len(key) != ROOT_KEY_BYTES:
                raise ValueError(f"a key of {len(key)} bytes; {ROOT_KEY_BYTES} are needed")
        self.kids = tuple(sorted(kids))
        self.current = max(kids) if current is None else current
        if self.current not in kids:
            raise ValueError(f"the current key id {self.current} is not among the keys")
        # `subject` under each other live key id: what is written while keys rotate.
        self.older = tuple(partial(self.under, kid) for kid in self.kids if kid != self.current)
        self.tenant_key = lru_cache(4096)(self._tenant_key)
        self._recent = lru_cache(_CACHED)(self._subject)
        self._begun = lru_cache(4096)(self._begin)

    def __repr__(self) -> str:
        return f"Keyring(kids={self.kids}, current={self.current})"

    def fingerprints(self) -> dict[str, str]:
        """What tells one root key from another and nothing about it: {kid: 16 hex digits}.

        With derived keys alone those that came along with them, and none where none came.
        """
        label = b"consent-stream/fingerprint"
        return self._told | {
            str(kid): hmac.digest(root, label, "sha256")[:8].hex() for kid, root in sorted(self._roots.items())
        }

    def differing(self, fingerprints: Mapping[str, str]) -> list[str]:
        """Key ids that stand for another key here than there. Without `fingerprints` it cannot be told."""
        own = self.fingerprints()
        return sorted(kid for kid, told in fingerprints.items() if kid in own and own[kid] != told)

    def lacking(self, fingerprints: Mapping[str, str]) -> list[str]:
        """Key ids that are in use there and not here."""
        return sorted(set(fingerprints) - {str(kid) for kid in self.kids})

    def _tenant_key(self, tenant: str, kid: int) -> bytes:
        """HKDF-SHA256 (RFC 5869) of the root key with empty salt. Errors: `UnknownTenantKey`."""
        known = self._derived.get((tenant, kid))
        if known is not None:
            return known
        root = self._roots.get(kid)
        if root is None:
            raise UnknownTenantKey(tenant)
        extracted = hmac.digest(bytes(hashlib.sha256().digest_size), root, "sha256")
        return hmac.digest(extracted, b"consent-stream/tenant/" + tenant.encode() + b"\1", "sha256")

    def subject(self, tenant: str, channel: str, canonical: str) -> bytes:
        """The subject key of a canonical address or contact id under the current key id."""
        known = self._recent if len(canonical) <= _LONGEST_CACHED else self._subject
        return known(tenant, channel, canonical)

    def _subject(self, tenant: str, channel: str, canonical: str) -> bytes:
        return self.under(self.current, tenant, channel, canonical)

    def under(self, kid: int, tenant: str, channel: str, canonical: str) -> bytes:
        """The subject key under one key id; while keys rotate, a gate asks under each."""
        head, inner, outer = self._begun(kid, tenant, channel)
        inner, outer = inner.copy(), outer.copy()
        inner.update(canonical.encode())
        outer.update(inner.digest())
        return head + outer.digest()[:16]

    def _begin(self, kid: int, tenant: str, channel: str) -> tuple[bytes, hashlib._Hash, hashlib._Hash]:
        """What all keys of a tenant and channel have in common: the head, and both hashes of HMAC (RFC 2104) as far as
        they go without the address. To take them up again costs a third of a whole `hmac.digest`."""
        block = self.tenant_key(tenant, kid).ljust(hashlib.sha256().block_size, b"\0")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + f"1\0{tenant}\0{channel}\0".encode())
        outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        return b"\x01" + (b"c" if channel == "contact" else b"a") + bytes((kid,)), inner, outer

    def all(self, tenant: str, channel: str, canonical: str) -> list[bytes]:
        """The subject keys under every live key id of the tenant. Errors: `UnknownTenantKey` when there is none."""
        if len(self.kids) == 1:
            return [self.under(self.kids[0], tenant, channel, canonical)]
        found = []
        for kid in self.kids:
            try:
                found.append(self.under(kid, tenant, channel, canonical))
            except UnknownTenantKey:
                continue
        if not found:
            raise UnknownTenantKey(tenant)
        return found
