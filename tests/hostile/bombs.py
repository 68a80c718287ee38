"""Batches of a few KiB that unpack to very much, as no client library writes them and brokers take them."""

import struct

import cramjam
from aiokafka.record.util import calc_crc32c, encode_varint

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
_MIB = bytes(1 << 20)


def sized(number: int) -> bytes:
    """A varint as records have it."""
    out = bytearray()
    encode_varint(number, out.append)
    return bytes(out)


def packed(codec: int, head: bytes, zeros: int, tail: bytes = b"") -> bytes:
    """`head`, MiB of zeros and `tail`, without ever holding them."""
    if codec == LZ4:  # brokers take no linked blocks (KIP-57)
        pack = cramjam.lz4.Compressor(level=1, content_checksum=False, block_linked=False)
    else:
        pack = {GZIP: cramjam.gzip, ZSTD: cramjam.zstd}[codec].Compressor()
    out = bytearray()
    for piece in (head, *(_MIB for _ in range(zeros)), tail):
        pack.compress(piece)
        out += bytes(pack.flush())
    return bytes(out) + bytes(pack.finish())


def bomb(codec: int, zeros: int, before: bytes | None = None, base: int = 0) -> bytes:
    """A batch whose last record holds `zeros` MiB; `before` is the value of a record before it."""
    records = [] if before is None else [_record(0, before)]
    at = len(records)
    start = b"\0\0" + sized(at) + sized(-1) + sized(zeros << 20)
    head = sized(len(start) + (zeros << 20) + 1) + start
    return closed(codec, packed(codec, b"".join(records) + head, zeros, sized(0)), at + 1, base)


def closed(codec: int, body: bytes, count: int, base: int = 0) -> bytes:
    """A batch (magic 2) of `count` records around their packed bytes."""
    after = struct.pack(">hiqqqhii", codec, count - 1, 1_000, 1_000, -1, -1, -1, count) + body
    return struct.pack(">qiibI", base, len(after) + 9, 0, 2, calc_crc32c(after)) + after


def _record(index: int, value: bytes) -> bytes:
    body = b"\0\0" + sized(index) + sized(-1) + sized(len(value)) + value + sized(0)
    return sized(len(body)) + body
