"""Records of a cold start, sorted by key without holding them all: a file of blocks, and which block is of which bin.

Put into a B-tree in the order of the topic, millions of rows would touch every page again and again; in the order of
the keys each page is written once and full. Bins are the first bytes of a key, a block is a bin's records of a while.
The file has no name (O_TMPFILE, tmpfile(3)): whatever ends the process, nothing of it stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

import zstandard

from consent_stream.gate.replica import Pair
from consent_stream.wire.keys import SUBJECT_KEY_BYTES

PREFIX = 4  # version, kind, key id, and the first byte of the hash: 256 bins for each of the others
BLOCK_BYTES = 64 * 1024
NULL = 0xFFFF_FFFF  # in place of a length
_LENGTH = Struct("<I")


class Spool:
    """Pairs of key and value in, bin by bin out: bins in the order of their keys, a bin's pairs in that of arrival.

    Errors: OSError when there is no room.
    """

    def __init__(self, folder: Path) -> None:
        # It closes with the spool; no block statement spans a cold start.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._open: dict[bytes, list[bytes]] = {}
        self._sizes: dict[bytes, int] = {}
        self._blocks: dict[bytes, list[tuple[int, int]]] = {}
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._end = 0

    def add(self, key: bytes, value: bytes | None) -> None:
        """Take one pair."""
        name = key[:PREFIX]
        parts = self._open.get(name)
        if parts is None:
            parts = self._open[name] = []
            self._sizes[name] = 0
        if value is None:
            parts += (key, _LENGTH.pack(NULL))
            size = 0
        else:
            size = len(value)
            parts += (key, _LENGTH.pack(size), value)
        self._sizes[name] += size + SUBJECT_KEY_BYTES
        if self._sizes[name] >= BLOCK_BYTES:
            self._write(name)

    def bins(self) -> Iterator[list[Pair]]:
        """All that was taken, once."""
        decompressor = zstandard.ZstdDecompressor()
        for name in sorted(self._open.keys() | self._blocks.keys()):
            raw = []
            for start, size in self._blocks.pop(name, ()):
                self._file.seek(start)
                raw.append(decompressor.decompress(self._file.read(size)))
            yield _pairs(b"".join([*raw, *self._open.pop(name, ())]))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, name: bytes) -> None:
        block = self._compressor.compress(b"".join(self._open.pop(name)))
        self._file.seek(self._end)
        self._file.write(block)
        self._blocks.setdefault(name, []).append((self._end, len(block)))
        self._end += len(block)


def _pairs(raw: bytes) -> list[Pair]:
    found: list[Pair] = []
    at, end, read = 0, len(raw), _LENGTH.unpack_from
    while at < end:
        start = at + SUBJECT_KEY_BYTES + _LENGTH.size
        (size,) = read(raw, start - _LENGTH.size)
        key = raw[at : at + SUBJECT_KEY_BYTES]
        at = start
        if size == NULL:
            found.append((key, None))
        else:
            at += size
            found.append((key, raw[start:at]))
    return found
