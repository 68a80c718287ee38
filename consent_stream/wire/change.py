"""`consent_change`: what changed in the standing of a key on one list, and by which event."""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.facts import Fact
from consent_stream.domain.standing import Standing
from consent_stream.wire.avro import (
    SHARED,
    Remembered,
    WireError,
    array,
    long,
    read_long,
    read_shared,
    read_text,
    read_time,
    text,
)
from consent_stream.wire.parts import ORIGINS, read_array, read_origin
from consent_stream.wire.schemas import CONSENT_CHANGE, REGISTRY_BYTES, check_header


class Change(NamedTuple):
    """One record of `consent.changes`, whose key is the subject key. Units: `received` in microseconds.

    partition, offset: of the event in `consent.events`. derived: it reached this key over a link.
    """

    tenant: str
    channel: str
    version: int
    received: int
    id: str
    source: str
    type: str
    partition: int
    offset: int
    derived: bool
    before: Standing
    after: Standing


def _encode_standing(s: Standing) -> bytes:
    denied = array([text(reason) for reason in s.reasons]) + array([text(scope) for scope in s.blocked_scopes])
    return text(s.status) + denied + text(s.label)


_STANDINGS: Remembered[Standing] = Remembered(_encode_standing)


def encode_change(
    channel: str,
    before: Standing,
    after: Standing,
    cause: Fact,
    version: int,
    header: bytes = CONSENT_CHANGE,
) -> bytes:
    """The value of a record in `consent.changes`; its key is the subject key. header: the framing."""
    return b"".join(
        (
            header,
            SHARED[cause.tenant],
            SHARED[channel],
            long(version),
            long(cause.received),
            text(cause.id),
            ORIGINS[cause.source, cause.type],
            long(cause.partition),
            long(cause.offset),
            b"\1" if cause.derived else b"\0",
            _STANDINGS[before],
            _STANDINGS[after],
        )
    )


def decode_change(b: bytes) -> Change:
    """The change in a value. Errors: `WireError` when the bytes are no change of a known schema.

    In a registry's framing (00, four bytes) the schema is taken to be ours: of changes there is one, and a registry's
    number says nothing without the registry. Bytes of another one do not end where this one does.
    """
    start = REGISTRY_BYTES if b[:1] == b"\0" else len(CONSENT_CHANGE)
    if start != REGISTRY_BYTES:
        check_header(b, CONSENT_CHANGE)
    try:
        tenant, p = read_shared(b, start)
        channel, p = read_shared(b, p)
        version, p = read_long(b, p)
        received, p = read_time(b, p)
        ident, p = read_text(b, p)
        (source, type_), p = read_origin(b, p)
        partition, p = read_long(b, p)
        offset, p = read_long(b, p)
        derived = b[p] == 1
        before, p = _read_standing(b, p + 1)
        after, p = _read_standing(b, p)
    except (IndexError, UnicodeDecodeError) as exc:
        raise WireError("bad_avro", "a change that cannot be read") from exc
    if p != len(b):
        raise WireError("bad_avro", "bytes behind a change")
    return Change(tenant, channel, version, received, ident, source, type_, partition, offset, derived, before, after)


def _read_standing(b: bytes, p: int) -> tuple[Standing, int]:
    status, p = read_shared(b, p)
    reasons, p = read_array(b, p, read_shared)
    blocked, p = read_array(b, p, read_shared)
    label, p = read_shared(b, p)
    return Standing(status, tuple(reasons), tuple(blocked), label), p
