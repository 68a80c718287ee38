"""Compressed batches are unpacked up to a bound: what a sender packed into a few KiB may unpack to many GiB.

A topic's `max.message.bytes` bounds what is stored, not what it unpacks to, and aiokafka unpacks a batch whole: 2 MiB
of zstd may take 64 GiB of memory, again at every start, and nothing else would ever be read. Here such a batch is read
as far as the bound goes, and its last record is the batch itself, as it was fetched: the reader decides what becomes of
it, and its partition goes on.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Iterator
from mmap import mmap
from typing import Any

import cramjam
from aiokafka.consumer import fetcher as module
from aiokafka.record.default_records import DefaultRecordBase, _DefaultRecordPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint_py as _varint

log = logging.getLogger(__name__)

#: Bytes that one batch may unpack to. Our own producers' largest record is 32 MiB and a little; a batch of 2 MiB, the
#: most that is accepted from anyone, is larger than this only if each byte of it stands for twenty-four.
LARGEST_UNPACKED = 48 << 20
#: Unpacked batches up to this size are left to the compiled reader: uncompressed ones of it are accepted from anyone.
LARGEST_QUICK = 2 << 20
#: An empty header is two bytes of a record, and a hundred in memory.
MOST_HEADERS = 10_000
#: What is taken of a partition at once, beside its number of records: bytes, and seconds of the consumer thread,
#: which must send heartbeats in time (a response may hold hundreds of batches that unpack to the bound).
TAKEN_BYTES, TAKEN_SECONDS = 8 << 20, 0.25

_HEADER = 100  # bytes
_HEAD = DefaultRecordBase.HEADER_STRUCT.size
_LENGTH, _MAGIC, _CODEC = 8, 16, 22  # offsets in a batch; of the attributes, the byte with the codec
_XERIAL, _XERIAL_HEAD = b"\x82SNAPPY\0", 16  # blocks of snappy, each behind its length: Java's way


class Unread(bytes):
    """A batch as it was fetched, in the place of those records of it that were not read. why: in a few words."""

    why: str


class BoundedRecords(MemoryRecords):  # type: ignore[misc]
    """The batches of a response, as aiokafka's compiled reader has them; compressed ones are unpacked here."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw
        self._end = 0

    def next_batch(self) -> Any:
        start, raw = self._end, self.raw
        batch = super().next_batch()
        if batch is None:
            return None
        self._end = start + 12 + int.from_bytes(raw[start + _LENGTH : start + 12], "big")
        self.piece = memoryview(raw)[start : self._end]
        if raw[start + _MAGIC] < 2 or not raw[start + _CODEC] & DefaultRecordBase.CODEC_MASK:
            return batch
        return _Unpacked(batch, self.piece)


class _Unpacked:
    """A compressed batch: all but its records is told by the compiled reader, which never unpacks it."""

    def __init__(self, batch: Any, piece: memoryview) -> None:
        self._batch, self._piece = batch, piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        plain, why = unpacked(self._piece)
        if why or len(plain) > LARGEST_QUICK:
            return PlainRecords(self._batch, plain, why, self._piece)
        return iter(MemoryRecords(plain).next_batch())


class PlainRecords:
    """The records of a batch that is not, or no more, compressed, one at a time; a header name need not be UTF-8.

    Where one cannot be read to its end, and behind them all if `why` tells of more, comes the batch as it was fetched,
    under its last offset. aiokafka's own readers make every header of a record before they hand it out, and its
    compiled varints read beyond the end of what they are given.
    """

    def __init__(self, batch: Any, plain: bytes, why: str, piece: memoryview) -> None:
        self._batch, self._plain, self._piece, self._why = batch, plain, piece, why
        (self._left,) = struct.unpack_from(">i", plain, _HEAD - 4)
        self._at = _HEAD

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._left <= 0:
            raise StopIteration
        try:
            record = self._read()
        except (ValueError, IndexError) as exc:
            return self._unread(self._why or str(exc) or "broken")
        self._left -= 1
        if self._why and self._left <= 0:
            return self._unread(self._why)
        return record

    def _unread(self, why: str) -> _DefaultRecordPy:
        self._left = 0
        last = self._batch.next_offset - 1
        first, place = self._batch.base_offset, {"offset": self._batch.base_offset, "last": last, "why": why}
        log.warning("the batch of offset %d to %d is %s: not read to its end", first, last, why, extra=place)
        whole = Unread(self._piece)
        whole.why = why
        return _DefaultRecordPy(last, self._batch.max_timestamp, self._batch.timestamp_type, None, whole, [])

    def _read(self) -> _DefaultRecordPy:
        """Errors: IndexError at the end of the bytes; ValueError for what is no record."""
        b, batch = self._plain, self._batch
        length, at = _varint(b, self._at)
        end = at + length
        if not at < end <= len(b):
            raise IndexError
        later, at = _varint(b, at + 1)  # behind the attributes, which mean nothing
        delta, at = _varint(b, at)
        key, at = _bytes(b, at)
        value, at = _bytes(b, at)
        count, at = _varint(b, at)
        if not 0 <= count <= MOST_HEADERS:
            raise ValueError(f"of a record of {count} headers")
        headers = []
        for _ in range(count):
            name, at = _bytes(b, at)
            held, at = _bytes(b, at)
            headers.append(((name or b"").decode(errors="replace"), held))
        if at != end:
            raise ValueError
        self._at = end
        appended = batch.timestamp_type == DefaultRecordBase.LOG_APPEND_TIME
        when = batch.max_timestamp if appended else batch.first_timestamp + later
        return _DefaultRecordPy(batch.base_offset + delta, when, batch.timestamp_type, key, value, headers)


def _bytes(b: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = _varint(b, at)
    if size < 0:
        return None, at
    if at + size > len(b):
        raise IndexError
    return b[at : at + size], at + size


def unpacked(piece: memoryview, limit: int = LARGEST_UNPACKED) -> tuple[bytes, str]:
    """A batch without its compression, and why it is not all of it ("" when it is); then up to `limit` bytes of it."""
    codec = piece[_CODEC] & DefaultRecordBase.CODEC_MASK
    if codec == DefaultRecordBase.CODEC_NONE:
        return bytes(piece), ""
    # Pages of an anonymous map cost nothing until they are written.
    with mmap(-1, _HEAD + limit) as room:
        why = ""
        with memoryview(room) as whole, whole[_HEAD:] as body:
            try:
                size = _unpack(codec, piece[_HEAD:], body)
            except (cramjam.DecompressionError, struct.error, ValueError) as exc:
                full = "write whole buffer" in str(exc)  # the reader in Rust, at the end of its room
                size, why = (limit, f"more than {limit >> 20} MiB unpacked") if full else (0, "not to be unpacked")
        room[:_HEAD] = piece[:_HEAD]
        struct.pack_into(">i", room, _LENGTH, _HEAD - 12 + size)
        room[_CODEC] &= ~DefaultRecordBase.CODEC_MASK & 0xFF
        return room[: _HEAD + size], why


def _unpack(codec: int, packed: memoryview, room: memoryview) -> int:
    """Bytes written. Errors: cramjam.DecompressionError; struct.error or ValueError for blocks that are none."""
    data = bytes(packed)
    if codec == DefaultRecordBase.CODEC_GZIP:
        return int(cramjam.gzip.decompress_into(data, room))
    if codec == DefaultRecordBase.CODEC_LZ4:
        return int(cramjam.lz4.decompress_into(data, room))
    if codec == DefaultRecordBase.CODEC_ZSTD:
        return int(cramjam.zstd.decompress_into(data, room))
    if codec != DefaultRecordBase.CODEC_SNAPPY:
        raise ValueError("a codec that Kafka does not have")
    if not data.startswith(_XERIAL):
        return int(cramjam.snappy.decompress_raw_into(data, room))
    size, at = 0, _XERIAL_HEAD
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if length <= 0:  # it would never end
            raise ValueError("an empty block")
        size += int(cramjam.snappy.decompress_raw_into(data[at : at + length], room[size:]))
        at += length
    return size


class BoundedResult(module.FetchResult):  # type: ignore[misc]
    """Hands records out up to a number, and up to bytes and time: see TAKEN_BYTES."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[Any]:
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        taken: list[Any] = []
        size, until = 0, time.monotonic() + TAKEN_SECONDS
        for record in self._partition_records:
            taken.append(record)
            size += len(record.key or b"") + len(record.value or b"")
            if record.headers:
                size += sum(_HEADER + len(name) + len(held or b"") for name, held in record.headers)
            if len(taken) == max_records or size > TAKEN_BYTES or time.monotonic() > until:
                self._update_position()
                return taken
        self._update_position()
        self._partition_records = None
        return taken
