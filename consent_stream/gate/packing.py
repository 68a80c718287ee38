"""Rows as a store keeps them: compressed by zstd with a dictionary of the list's own rows, a third of their size.

Rows of a list differ in ids and times and share all else, so a small dictionary from a few thousand of them says most.
It stands in the file beside the rows. What cannot be compressed (a marked row, a short list without a dictionary) is
kept as it is: a suppression begins with 0xC3, a mark with 0x00, and a frame without magic number with neither.
Source: RFC 8878 §3.1.1 (the first byte of such a frame: here a known size, no dictionary id, no checksum).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import zstandard

LEVEL = 1  # higher ones take longer and save nothing on rows of 250 bytes: ids are random
DICTIONARY_BYTES = 16_384
ROWS_TO_LEARN = 10_000
FEWEST_ROWS = 1_000  # fewer teach nothing, and take no room worth saving
PLAIN = (0xC3, 0x00)
LARGEST_ROW = 64 << 20  # decompressed; more than a record of a topic may have


class Packing:
    """Packs and unpacks rows by one dictionary; without one, rows stay as they are. `unpack` is for any thread."""

    def __init__(self, dictionary: bytes = b"") -> None:
        self.dictionary = dictionary
        self._zstd = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._local = threading.local()  # a decompressor is for one thread at a time
        self._compressor: zstandard.ZstdCompressor | None = None
        if self._zstd is not None:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                LEVEL,
                format=zstandard.FORMAT_ZSTD1_MAGICLESS,
                write_content_size=True,
                write_checksum=False,
                write_dict_id=False,
            )
            self._zstd.precompute_compress(compression_params=parameters)
            self._compressor = zstandard.ZstdCompressor(dict_data=self._zstd, compression_params=parameters)

    @classmethod
    def learn(cls, rows: Sequence[bytes]) -> Packing:
        """A packing for rows like these; one without a dictionary when they are too few or teach nothing."""
        samples: list[Any] = [row for row in rows if row[0] == PLAIN[0]][:ROWS_TO_LEARN]
        if len(samples) < FEWEST_ROWS:
            return cls()
        try:
            return cls(zstandard.train_dictionary(DICTIONARY_BYTES, samples).as_bytes())
        except zstandard.ZstdError:  # all alike, for instance
            return cls()

    def pack(self, rows: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Keys in order, and what to store of each. From one thread at a time."""
        if self._compressor is None:
            return sorted(rows.items())
        compress, plain = self._compressor.compress, PLAIN
        found = []
        for key in sorted(rows):
            row = rows[key]
            if row[0] == plain[0]:
                packed = compress(row)
                if packed[0] not in plain and len(packed) < len(row):
                    row = packed
            found.append((key, row))
        return found

    def unpack(self, stored: bytes) -> bytes:
        """The row. Bytes that are none are handed on as they are: whoever reads them sees that they are no row."""
        if not stored or stored[0] in PLAIN or self._zstd is None:
            return stored
        try:
            return self._local.decompress(stored)  # type: ignore[no-any-return]
        except AttributeError:
            made = zstandard.ZstdDecompressor(dict_data=self._zstd, format=zstandard.FORMAT_ZSTD1_MAGICLESS)
            self._local.decompress = made.decompress
        except zstandard.ZstdError:
            return stored
        return self.unpack(stored)
