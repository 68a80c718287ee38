"""What a form carries, and what pressing its button means. Pure.

1. The capability is the token in the path. A form carries a *seal* besides: what the page told the person, when, and a
   MAC over it and the token. Another site cannot make one.
2. A no counts without a seal: whoever has the link may say no. A yes counts only with one that is of today, for it
   cites what the page told (RULES §4 E3, §5 `names`).
3. Only what the person changed is said: each item comes with how it was shown, and its box. A scanner that submits a
   form as it stands says nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from consent_stream.domain.nodes import valid_scope

SEALED_FOR = 24 * 3600 * 1_000_000  # µs
EARLY = 5 * 60 * 1_000_000
INFO = b"consent-stream/form\0"
MAC_BYTES = 16
MOST = 300  # items of one form


class BadSeal(ValueError):
    """A seal that is none, is another token's, or is old."""


def seal(secret: bytes, token: str, at: int, told: Mapping[str, Any]) -> str:
    """What the page tells, for the form. secret: the tenant's key. told: JSON."""
    body = orjson.dumps({"at": at, "told": told}, option=orjson.OPT_SORT_KEYS)
    return base64.urlsafe_b64encode(_mac(secret, token, body) + body).rstrip(b"=").decode()


def unseal(secret: bytes, token: str, at: int, text: str) -> Mapping[str, Any]:
    """What was told. Errors: BadSeal."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, token, body)) or not body:
        raise BadSeal
    found = orjson.loads(body)
    if not -EARLY <= at - found["at"] <= SEALED_FOR:
        raise BadSeal
    told: Mapping[str, Any] = found["told"]
    return told


def _mac(secret: bytes, token: str, body: bytes) -> bytes:
    key = hmac.digest(secret, INFO, "sha256")
    return hmac.digest(key, hashlib.sha256(token.encode()).digest() + body, "sha256")[:MAC_BYTES]


class Wish(NamedTuple):
    """What a form asks for. off, on: items, as `m:SCOPE` (marketing) or `s:SCOPE` (sharing).

    everything: stop everything. channel: stop this channel. other: stop the other channel.
    """

    everything: bool = False
    channel: bool = False
    other: bool = False
    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()

    @property
    def says_no(self) -> bool:
        """Whether there is a no in it."""
        return self.everything or self.channel or self.other or bool(self.off)


def read_wish(fields: Iterable[tuple[str, str]]) -> Wish:
    """The wish in the fields of a form. What is no field of ours is passed over.

    Fields: `do` = `save`, `stop-everything`, `stop-channel`, `stop-other` · `was` = `0ITEM` or `1ITEM`: how an item was
    shown · `want` = ITEM for each box that is ticked.
    """
    do: set[str] = set()
    was: dict[str, bool] = {}
    want: set[str] = set()
    for name, value in list(fields)[: 3 * MOST]:
        if name == "do":
            do.add(value)
        elif name == "was" and value[:1] in ("0", "1") and _is_item(value[1:]):
            was[value[1:]] = value[0] == "1"
        elif name == "want" and _is_item(value):
            want.add(value)
    wish = Wish("stop-everything" in do, "stop-channel" in do, "stop-other" in do)
    if wish.says_no or "save" not in do:  # a button that stops says nothing of the boxes
        return wish
    off = tuple(item for item, shown in was.items() if shown and item not in want)
    on = tuple(item for item, shown in was.items() if not shown and item in want)
    return wish._replace(off=off, on=on)


def _is_item(text: str) -> bool:
    return text[:2] in ("m:", "s:") and valid_scope(text[2:])
