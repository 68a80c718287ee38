"""Links: what a mailed link carries, signed. Pure: mailers make them, the edge reads them.

A token is base64url without padding of

    0x01 | kid | issued, 5 bytes, seconds | count of keys | keys, 19 bytes each | tenant | channel | program |
    message id | first 16 bytes of HMAC-SHA-256 over all before it

where the four texts are UTF-8 behind one byte of length. No address is inside. The signing key is HKDF-SHA256 (RFC
5869) of the tenant key of that kid, with info `consent-stream/link`: whoever may make subject keys of a tenant may make
its links. A link never expires for a "no"; what a "yes" needs beyond it looks at `issued`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from functools import lru_cache
from typing import NamedTuple

from consent_stream.domain.nodes import CHANNELS, valid_scope
from consent_stream.wire.keys import SUBJECT_KEY_BYTES, Keyring, UnknownTenantKey

VERSION = 1
MAC_BYTES = 16
MOST_KEYS = 8
LONGEST_TEXT = 255  # bytes of a tenant, program or message id
LONGEST = 4 * (8 + MOST_KEYS * SUBJECT_KEY_BYTES + 4 * (LONGEST_TEXT + 1) + MAC_BYTES) // 3 + 4
_HEAD = struct.Struct(">BBBIB")
_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_NO_KEY = bytes(32)  # what is computed with when there is none: a refusal takes the time of any other


class UnknownLink(ValueError):
    """No link of ours: forged, cut short, or under a key that is not here. It never says which."""

    def __init__(self) -> None:
        super().__init__("no such link")


class Link(NamedTuple):
    """keys: 19-byte subject keys, the address's first, the contact's when known. program: the scope of the message,
    `*` when it had none. issued: seconds."""

    tenant: str
    channel: str
    keys: tuple[bytes, ...]
    program: str
    message_id: str
    issued: int


class Links:
    """Makes and reads tokens of the tenants of a keyring."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys
        self._signing = lru_cache(4096)(self._signing_key)

    def mint(self, link: Link) -> str:
        """The token, under the current key. Errors: UnknownTenantKey; ValueError when the link is none."""
        _check(link)
        parts = [_HEAD.pack(VERSION, self._keys.current, link.issued >> 32, link.issued & 0xFFFF_FFFF, len(link.keys))]
        parts += link.keys
        for text in (link.tenant, link.channel, link.program, link.message_id):
            raw = text.encode()
            parts += (bytes((len(raw),)), raw)
        signed = b"".join(parts)
        mac = hmac.digest(self._signing(link.tenant, self._keys.current), signed, "sha256")[:MAC_BYTES]
        return base64.urlsafe_b64encode(signed + mac).rstrip(b"=").decode()

    def read(self, token: str) -> Link:
        """The link of a token under any live key id. Errors: UnknownLink, after the same work whatever is wrong."""
        raw = _bytes(token)
        signed, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        found = _parse(signed)
        key = _NO_KEY
        if found is not None:
            try:
                key = self._signing(found[1].tenant, found[0])
            except UnknownTenantKey:
                found = None
        right = hmac.compare_digest(hmac.digest(key, signed, "sha256")[:MAC_BYTES], mac.ljust(MAC_BYTES, b"\0"))
        if found is None or not right:
            raise UnknownLink
        return found[1]

    def _signing_key(self, tenant: str, kid: int) -> bytes:
        extracted = hmac.digest(bytes(hashlib.sha256().digest_size), self._keys.tenant_key(tenant, kid), "sha256")
        return hmac.digest(extracted, b"consent-stream/link\1", "sha256")


def _check(link: Link) -> None:
    if not link.tenant or "\0" in link.tenant or link.channel not in CHANNELS or not valid_scope(link.program):
        raise ValueError("a link needs a tenant, a channel and a program")
    if not 1 <= len(link.keys) <= MOST_KEYS or any(len(key) != SUBJECT_KEY_BYTES for key in link.keys):
        raise ValueError(f"a link has 1 to {MOST_KEYS} subject keys of {SUBJECT_KEY_BYTES} bytes")
    if any(len(text.encode()) > LONGEST_TEXT for text in (link.tenant, link.program, link.message_id)):
        raise ValueError(f"a text of a link has at most {LONGEST_TEXT} bytes")
    if not 0 <= link.issued < 1 << 40:
        raise ValueError("issued is in seconds")


def _bytes(token: str) -> bytes:
    """The bytes of a token; none unless it is written as we write it, so that no two texts are one token."""
    text = token.encode("utf-8", "surrogatepass")
    if len(text) > LONGEST or not _ALPHABET.issuperset(text):
        return b""
    try:
        raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == text else b""


def _parse(signed: bytes) -> tuple[int, Link] | None:
    """Key id and link of what is not yet known to be ours; None when it cannot be."""
    if len(signed) < _HEAD.size:
        return None
    version, kid, high, low, count = _HEAD.unpack_from(signed)
    at = _HEAD.size + count * SUBJECT_KEY_BYTES
    if version != VERSION or not 1 <= count <= MOST_KEYS:
        return None
    keys = tuple(signed[start : start + SUBJECT_KEY_BYTES] for start in range(_HEAD.size, at, SUBJECT_KEY_BYTES))
    texts = []
    for _ in range(4):
        if at >= len(signed):
            return None
        end = at + 1 + signed[at]
        texts.append(signed[at + 1 : end])
        at = end
    if at != len(signed):
        return None
    try:
        tenant, channel, program, message_id = (text.decode() for text in texts)
    except UnicodeDecodeError:
        return None
    return kid, Link(tenant, channel, keys, program, message_id, high << 32 | low)
