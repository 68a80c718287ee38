"""`send`: the records of `consent.sends`, one for each message that a mailer brought to a gate."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NamedTuple

import fastavro

from consent_stream.wire.avro import WireError
from consent_stream.wire.schemas import SEND, check_header, schema

HANDED_OVER = "handed_over"
HELD_BACK = "held_back"
FAILED = "failed"
NOT_ATTEMPTED = "not_attempted"
UNCLEAR = "unclear"
OUTCOMES = (HANDED_OVER, HELD_BACK, FAILED, NOT_ATTEMPTED, UNCLEAR)
_LISTS = ("keys", "bases", "reasons", "facts")


class Send(NamedTuple):
    """What became of one message. Fields as in `send.avsc`. Units: every time in microseconds."""

    tenant: str
    channel: str
    purpose: str
    scope: str
    message_id: str
    sender: str
    gate: str
    keys: tuple[bytes, ...]
    bases: tuple[bytes, ...]
    address_channel: str
    bare: bool
    checked: int
    started: int | None
    ended: int
    outcome: str
    allow: bool
    reasons: tuple[str, ...]
    facts: tuple[str, ...]
    facts_left_out: int
    version: int
    applied_through: int | None
    valid_until: int

    @property
    def handed_over_at(self) -> int | None:
        """When the message was handed over, as far as that is known; None when it was not.

        Where the mailer did not say when it began, the end counts, and where it did not say whether it handed over, it
        is taken to have done so: what is unknown must not hide a late message.
        """
        if self.outcome not in (HANDED_OVER, UNCLEAR):
            return None
        return self.ended if self.started is None else self.started


def encode_send(send: Send) -> bytes:
    """The value of a record in `consent.sends`; its key is the first of `keys`, if any."""
    out = BytesIO()
    out.write(SEND)
    fastavro.schemaless_writer(out, schema("send"), send._asdict())
    return out.getvalue()


def decode_send(value: bytes) -> Send:
    """Errors: `WireError` when the bytes are no send of a known schema."""
    check_header(value, SEND)
    body = BytesIO(value[len(SEND) :])
    try:
        record: Any = fastavro.schemaless_reader(body, schema("send"), None)
    except (EOFError, IndexError, ValueError, OverflowError, MemoryError) as exc:
        raise WireError("bad_avro", "a send that cannot be read") from exc
    if body.read(1):
        raise WireError("bad_avro", "bytes behind a send")
    return Send(**record | {name: tuple(record[name]) for name in _LISTS})
