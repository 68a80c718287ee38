"""`ledger_fact`: the record of `consent.ledger`."""

from __future__ import annotations

from consent_stream.domain.facts import Fact, Part
from consent_stream.wire.avro import (
    Remembered,
    WireError,
    long,
    read_count,
    read_long,
    read_shared,
    read_text,
    read_time,
    text,
)
from consent_stream.wire.keys import ADDRESS_KEY, CONTACT_KEY, SUBJECT_KEY_BYTES
from consent_stream.wire.parts import ORIGINS, READERS, WRITERS, read_channels, read_origin
from consent_stream.wire.schemas import LEDGER_FACT, check_header

_KINDS = (ADDRESS_KEY, CONTACT_KEY)
_HEADS: Remembered[str] = Remembered(lambda tenant: LEDGER_FACT + text(tenant))


def encode_fact(fact: Fact) -> bytes:
    """The value of a ledger record; its key is `fact.key`."""
    _, channels, tenant, ident, source, type_, received, partition, offset, derived, parts = fact
    out = [
        _HEADS[tenant],
        text(ident),
        ORIGINS[source, type_],
        long(received),
        long(partition),
        long(offset),
        long(channels),
        b"\1" if derived else b"\0",
    ]
    if parts:
        out.append(long(len(parts)))
        for part in parts:
            branch, write = WRITERS[type(part)]
            out.append(branch)
            out.append(write(part))
    out.append(b"\0")
    return b"".join(out)


def decode_fact(key: bytes | None, b: bytes) -> Fact:
    """The fact in a ledger record. Errors: `WireError` when it has no subject key or is of no known schema."""
    if key is None or len(key) != SUBJECT_KEY_BYTES or key[:2] not in _KINDS:
        raise WireError("bad_key", "a ledger record without a subject key")
    check_header(b, LEDGER_FACT)
    try:
        tenant, p = read_shared(b, 10)
        ident, p = read_text(b, p)
        (source, type_), p = read_origin(b, p)
        received, p = read_time(b, p)
        partition, p = read_long(b, p)
        offset, p = read_long(b, p)
        channels, p = read_channels(b, p)
        derived = b[p] == 1
        parts: list[Part] = []
        n, p = read_count(b, p + 1)
        while n:
            for _ in range(n):
                part, p = READERS[b[p]](b, p + 1)
                parts.append(part)
            n, p = read_count(b, p)
    except (IndexError, KeyError, UnicodeDecodeError) as exc:
        raise WireError("bad_avro", "a ledger fact that cannot be read") from exc
    if p != len(b):
        raise WireError("bad_avro", "bytes behind a ledger fact")
    return Fact(key, channels, tenant, ident, source, type_, received, partition, offset, derived, tuple(parts))
