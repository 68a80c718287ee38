"""Sessions: a cookie that says until when its bearer may look, signed by a key that follows from the token.

It says nothing else, so nothing is kept of it here; another token ends every session, a restart none.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

LASTS_S = 12 * 3600
_LABEL = b"consent-stream/console/session"
_NONCE_BYTES = 12


class Sessions:
    """Makes and reads cookies. clock instants are seconds since 1970."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._key = hmac.digest(token, _LABEL, hashlib.sha256)

    def __repr__(self) -> str:
        return "Sessions()"

    def admits(self, token: bytes) -> bool:
        """Whether it is the token; in constant time."""
        return hmac.compare_digest(hashlib.sha256(token).digest(), hashlib.sha256(self._token).digest())

    def begin(self, now: int) -> str:
        """A cookie's value."""
        said = f"{now + LASTS_S}.{secrets.token_hex(_NONCE_BYTES)}"
        return f"{said}.{self._seal(said)}"

    def lasts(self, cookie: str, now: int) -> bool:
        """Whether a cookie is one of these, and not over."""
        said, _, seal = cookie.rpartition(".")
        if not hmac.compare_digest(seal.encode("utf-8", "replace"), self._seal(said).encode()):
            return False
        until = said.partition(".")[0]
        return until.isascii() and until.isdigit() and int(until) > now

    def _seal(self, said: str) -> str:
        return hmac.digest(self._key, said.encode("utf-8", "replace"), hashlib.sha256).hex()
