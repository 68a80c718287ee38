"""`consent_change`: what changed in the standing of a key on one list, and by which event."""

from __future__ import annotations

from consent_stream.domain.facts import Fact
from consent_stream.domain.standing import Standing
from consent_stream.wire.avro import SHARED, Remembered, array, long, text
from consent_stream.wire.parts import ORIGINS
from consent_stream.wire.schemas import CONSENT_CHANGE


def _encode_standing(s: Standing) -> bytes:
    denied = array([text(reason) for reason in s.reasons]) + array([text(scope) for scope in s.blocked_scopes])
    return text(s.status) + denied + text(s.label)


_STANDINGS: Remembered[Standing] = Remembered(_encode_standing)


def encode_change(channel: str, before: Standing, after: Standing, cause: Fact, version: int) -> bytes:
    """The value of a record in `consent.changes`; its key is the subject key."""
    return b"".join(
        (
            CONSENT_CHANGE,
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
