"""Avro binary by hand, for the records of the hot path: a generic decoder costs more than all rules together.

Only what our schemas need. The golden tests decode every record with fastavro and with the reference implementation.
Source: Apache Avro 1.12 specification, "Binary encoding" and "Single-object encoding".
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

# Two bytes of a varint (14 bits, both with the continuation bit), so that a time takes four look-ups; and its last two.
_PAIRS = [bytes((0x80 | (n & 0x7F), 0x80 | (n >> 7))) for n in range(1 << 14)]
_ENDS = [bytes((0x80 | (n & 0x7F), n >> 7)) for n in range(1 << 14)]
_SMALL = [bytes((n << 1,)) for n in range(64)]  # zigzag of 0..63
# Of what many records share a copy is remembered. Senders choose the texts, so their number and length are bounded.
_MOST_REMEMBERED = 65_536
_LONGEST_REMEMBERED = 512  # bytes
_K = TypeVar("_K", bound=Hashable)


class WireError(ValueError):
    """Bytes that are not what they should be. `code` is stable; the message holds no content of the record."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def long(n: int) -> bytes:
    """A zigzag varint of a 64-bit number. Errors: `OverflowError` for a longer one."""
    if 0 <= n < 64:
        return _SMALL[n]
    z = (n << 1) ^ (n >> 63)
    if 1 << 49 <= z < 1 << 56:  # every instant from 1978 to 2541: eight bytes
        return _PAIRS[z & 0x3FFF] + _PAIRS[(z >> 14) & 0x3FFF] + _PAIRS[(z >> 28) & 0x3FFF] + _ENDS[z >> 42]
    if 0x7F < z < 1 << 14:  # below, a negative number is one byte: a second one would be another spelling of it
        return _ENDS[z]
    if 1 << 14 <= z < 1 << 28:
        return _PAIRS[z & 0x3FFF] + (_ENDS[z >> 14] if z >> 21 else bytes((z >> 14,)))
    if not -1 << 63 <= n < 1 << 63:
        raise OverflowError("a number of more than 64 bits")
    out = bytearray()
    while z > 0x7F:
        out.append(0x80 | (z & 0x7F))
        z >>= 7
    out.append(z)
    return bytes(out)


def text(value: str) -> bytes:
    raw = value.encode()
    n = len(raw)
    return (_SMALL[n] if n < 64 else long(n)) + raw


def blob(raw: bytes) -> bytes:
    return long(len(raw)) + raw


class Remembered(dict[_K, bytes]):
    """The bytes of what many records share, by what they say; made by `encode` when first asked for."""

    def __init__(self, encode: Callable[[_K], bytes]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, key: _K) -> bytes:
        encoded = self._encode(key)
        if len(encoded) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[key] = encoded
        return encoded


SHARED: Remembered[str] = Remembered(text)  # tenants, sources, types, kinds: `SHARED[value]`


def array(items: list[bytes]) -> bytes:
    """One block, or the empty array."""
    return long(len(items)) + b"".join(items) + b"\0" if items else b"\0"


def read_long(b: bytes, p: int) -> tuple[int, int]:
    """The number at `p` and the place behind it. Errors: `IndexError` at the end of `b`, `WireError` beyond 64 bits."""
    z = b[p]
    p += 1
    if z < 0x80:
        return (z >> 1) ^ -(z & 1), p
    z &= 0x7F
    shift = 7
    while True:
        byte = b[p]
        p += 1
        z |= (byte & 0x7F) << shift
        if byte < 0x80:
            if z >> 64:
                break
            return (z >> 1) ^ -(z & 1), p
        shift += 7
        if shift > 63:
            break
    raise WireError("bad_avro", "a number longer than 64 bits")


_M1, _M2, _M3 = 0x007F007F007F007F, 0x00003FFF00003FFF, 0x000000000FFFFFFF


def read_time(b: bytes, p: int) -> tuple[int, int]:
    """As `read_long`, quick for the eight bytes of an instant: groups of seven bits are drawn together at once."""
    z = int.from_bytes(b[p : p + 8], "little")
    if z & 0x8080808080808080 != 0x0080808080808080:
        return read_long(b, p)
    z &= 0x7F7F7F7F7F7F7F7F
    z = (z & _M1) | ((z & (_M1 << 8)) >> 1)
    z = (z & _M2) | ((z & (_M2 << 16)) >> 2)
    z = (z & _M3) | ((z & (_M3 << 32)) >> 4)
    return (z >> 1) ^ -(z & 1), p + 8


def read_text(b: bytes, p: int) -> tuple[str, int]:
    n = b[p]
    if n & 0x81:  # longer than 63 bytes, or negative
        raw, end = read_blob(b, p)
        return raw.decode(), end
    end = p + 1 + (n >> 1)
    return b[p + 1 : end].decode(), end


_known_texts: dict[bytes, str] = {}


def read_shared(b: bytes, p: int) -> tuple[str, int]:
    """As `read_text`, for texts that many records share: one object each."""
    n = b[p]
    if n & 0x81:
        raw, end = read_blob(b, p)
    else:
        end = p + 1 + (n >> 1)
        raw = b[p + 1 : end]
    known = _known_texts.get(raw)
    if known is None:
        known = raw.decode()
        remember(_known_texts, raw, known)
    return known, end


_V = TypeVar("_V")


def remember(known: dict[bytes, _V], raw: bytes, value: _V) -> None:
    """Keep what `raw` says, within bounds."""
    if len(raw) <= _LONGEST_REMEMBERED:
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[raw] = value


def read_blob(b: bytes, p: int) -> tuple[bytes, int]:
    n, start = read_long(b, p)
    end = start + n
    if n < 0 or end > len(b):  # backwards would let an array read itself for ever
        raise WireError("bad_avro", "a length that is negative or beyond the end")
    return b[start:end], end


def read_count(b: bytes, p: int) -> tuple[int, int]:
    """The number of items of an array block; 0 ends the array. A negative count is followed by a size in bytes."""
    n, p = read_long(b, p)
    if n < 0:
        _, p = read_long(b, p)
        return -n, p
    return n, p
