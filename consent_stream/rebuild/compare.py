"""What differs between two generations: digests of all rows by partition, and the keys that are not the same.

State rows hold registers alone, and equal registers are equal bytes: a rebuilt row equals the live one, in whatever
order its facts came. List records also tell versions and causes, which hang on the offsets of their ledger; there the
registers count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from consent_stream.rebuild.snapshot import Row
from consent_stream.wire.avro import WireError
from consent_stream.wire.state import encode_registers
from consent_stream.wire.suppression import decode_entry

DIGEST_BYTES = 16


class Digest:
    """The sum of the digests of rows: it does not depend on their order, and a row can be counted at any time."""

    def __init__(self) -> None:
        self.keys = 0
        self._sum = 0

    def add(self, key: bytes, content: bytes) -> None:
        """Count a row in."""
        self.keys += 1
        row = len(key).to_bytes(4, "big") + key + content
        self._sum += int.from_bytes(hashlib.blake2b(row, digest_size=DIGEST_BYTES).digest(), "big")

    def __str__(self) -> str:
        return f"{self._sum % (1 << 8 * DIGEST_BYTES):0{2 * DIGEST_BYTES}x}"


class Compared(NamedTuple):
    """digests: of both, by partition of the first. total: how many keys differ; differing: the first of them."""

    digests: dict[int, tuple[Digest, Digest]]
    total: int
    differing: dict[bytes, tuple[bytes | None, bytes | None]]


def compare(rows: Iterable[Row], lists: bool, most: int) -> Compared:
    """lists: rows are list records and not state. most: differing keys to keep, so that memory has a bound."""
    content = registers_of if lists else bytes
    digests: dict[int, tuple[Digest, Digest]] = {}
    count, differing = 0, dict[bytes, tuple[bytes | None, bytes | None]]()
    for key, partition, values in rows:
        both = digests.setdefault(partition, (Digest(), Digest()))
        contents = [None if value is None else content(value) for value in values]
        for digest, each in zip(both, contents, strict=True):
            if each is not None:
                digest.add(key, each)
        if contents[0] != contents[1]:
            count += 1
            if count <= most:
                differing[key] = (contents[0], contents[1])
    return Compared(digests, count, differing)


def registers_of(value: bytes) -> bytes:
    """What a list record says of its key, without version and cause; a record that cannot be read is itself."""
    try:
        entry = decode_entry(value)
    except WireError:
        return value
    return encode_registers(entry.registers)
