"""What this process wrote to the ledger and will soon read back: the fact is at hand, so its bytes need no decoding.

`decode_fact(key, encode_fact(fact)) == fact` is a law of the codec; this only saves the work where both stages run in
one process.
"""

from __future__ import annotations

from consent_stream.domain.facts import Fact
from consent_stream.wire.ledger import decode_fact, encode_fact

REMEMBERED = 16 << 20  # bytes of facts at least, and twice as many at most


class Echo:
    """Encodes facts, and decodes those it encoded lately by looking them up. `heard`: whether they come back here."""

    def __init__(self, heard: bool = True) -> None:
        self._heard = heard
        self._size = 0  # bytes noted since `_recent` began; what was fetched back is not taken off
        self._recent: dict[bytes, Fact] = {}
        self._older: dict[bytes, Fact] = {}

    def encode(self, fact: Fact) -> bytes:
        value = encode_fact(fact)
        if not self._heard:
            return value
        if self._size >= REMEMBERED:
            self._older, self._recent, self._size = self._recent, {}, 0
        self._size += len(value)
        self._recent[value] = fact
        return value

    def decode(self, key: bytes, value: bytes) -> Fact:
        """Errors: as of `decode_fact`."""
        fact = self._recent.pop(value, None) or self._older.pop(value, None)
        return fact if fact is not None and fact.key == key else decode_fact(key, value)
