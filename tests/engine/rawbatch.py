"""Record batches (magic 2) byte by byte, with what no client library lets one write: header names as plain bytes."""

import socket
import struct
from collections.abc import Sequence
from typing import Any

from aiokafka import codec as codecs
from aiokafka.record.util import calc_crc32c, encode_varint

Headers = Sequence[tuple[bytes, bytes | None]]

BAD = b"\xff\xfename"
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_PACK = (bytes, codecs.gzip_encode, codecs.snappy_encode, codecs.lz4_encode, codecs.zstd_encode)


def batch(
    base: int,
    records: Sequence[Any],
    *,
    codec: int = 0,
    producer: int = -1,
    control: bool = False,
    last: int | None = None,
    held: Sequence[tuple[bytes, bytes]] = (),
) -> bytes:
    """Records at `base` and on, one per list of (name, value) headers; a control batch takes a key each instead.

    `held` are their keys and values, else `k<offset>` and `v<offset>`. `last` is the batch's last offset, where
    compaction removed its last records.
    """
    if control:
        rows = [(key, b"", []) for key in records]
    else:
        pairs = held or [(b"k%d" % (base + index), b"v%d" % (base + index)) for index in range(len(records))]
        rows = [(key, value, headers) for (key, value), headers in zip(pairs, records, strict=True)]
    body = b"".join(_record(index, *row) for index, row in enumerate(rows))
    attributes = codec | (_TRANSACTIONAL if producer >= 0 else 0) | (_CONTROL if control else 0)
    delta = len(records) - 1 if last is None else last - base
    epoch = 0 if producer >= 0 else -1
    times = (1_000, 1_000 + len(records) - 1)
    after = struct.pack(">hiqqqhii", attributes, delta, *times, producer, epoch, epoch, len(records))
    after += _PACK[codec](body)
    return struct.pack(">qiibI", base, len(after) + 9, 0, 2, calc_crc32c(after)) + after


def _record(index: int, key: bytes, value: bytes, headers: Headers) -> bytes:
    body = b"\x00" + _varint(index) + _varint(index) + _sized(key) + _sized(value) + _varint(len(headers))
    body += b"".join(_sized(name) + _sized(held) for name, held in headers)
    return _sized(body)


def _sized(raw: bytes | None) -> bytes:
    return _varint(-1) if raw is None else _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    encode_varint(number, out.append)
    return bytes(out)


def produce(bootstrap: str, topic: str, partition: int, raw: bytes) -> None:
    """Write one batch to a cluster of one broker. AssertionError when it is refused. Kafka's Produce, v7."""
    name = topic.encode()
    body = struct.pack(">hhih", 0, 7, 1, -1)  # which request, its version, correlation, no client id
    body += struct.pack(">hhii", -1, -1, 10_000, 1)  # no transaction, acks=all, ms, one topic
    body += struct.pack(f">h{len(name)}siii", len(name), name, 1, partition, len(raw)) + raw
    host, port = bootstrap.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10) as link, link.makefile("rwb") as file:
        file.write(struct.pack(">i", len(body)) + body)
        file.flush()
        (size,) = struct.unpack(">i", file.read(4))
        answer = file.read(size)
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    assert error == 0, f"Kafka's error code {error}"
