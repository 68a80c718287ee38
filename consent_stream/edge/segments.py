"""Files of the spool: records one behind another, each with its length and checksum.

    "CS1\\n" | length of the record, u32 | CRC-32 of all that follows, u32 | instant, u64 µs | record

A process may die in the middle of a write, and a disk may give back something else than it took. Reading goes on at the
next record that is whole: what can still be read is never lost to what cannot.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MAGIC = b"CS1\n"
HEAD = struct.Struct(">4sII")
INSTANT = struct.Struct(">Q")
SUFFIX = ".events"
LARGEST = 1024 * 1024  # more than any record: a length beyond it is damage


class Spooled(NamedTuple):
    """One record. at: µs, when it was put."""

    at: int
    record: bytes


class Contents(NamedTuple):
    """What a file holds. unread: bytes that are part of no whole record."""

    records: list[Spooled]
    unread: int


def framed(records: Iterable[bytes], at: int) -> bytes:
    """The bytes of records put at one instant."""
    return b"".join(_frame(INSTANT.pack(at) + record) for record in records)


def _frame(body: bytes) -> bytes:
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def read(path: Path) -> Contents:
    """All whole records of a file, in order. Errors: OSError."""
    raw = path.read_bytes()
    records, whole = [], 0
    for start, end in _places(raw):
        body = raw[start + HEAD.size : end]
        records.append(Spooled(INSTANT.unpack_from(body)[0], body[INSTANT.size :]))
        whole += end - start
    return Contents(records, len(raw) - whole)


def _places(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where each whole record starts and ends."""
    at = 0
    while (found := raw.find(MAGIC, at)) >= 0:
        end = _whole(raw, found)
        if end:
            yield found, end
        at = end or found + 1


def _whole(raw: bytes, start: int) -> int:
    """Where the record that starts there ends; 0 when it is not whole."""
    if start + HEAD.size > len(raw):
        return 0
    _, length, checksum = HEAD.unpack_from(raw, start)
    end = start + HEAD.size + int(length)
    if not INSTANT.size <= length <= LARGEST or end > len(raw):
        return 0
    return end if zlib.crc32(raw[start + HEAD.size : end]) == checksum else 0
