"""`suppression`: the records of the lists. The gate reads registers out of them and decides as the worker would."""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.clearing import minor_until
from consent_stream.domain.facts import Fact
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import Standing, on_list
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
from consent_stream.wire.parts import (
    birth,
    grant,
    lift,
    optional_delivery,
    read_array,
    read_channels,
    read_grant,
    read_rare,
    read_restriction,
    restriction,
    void,
)
from consent_stream.wire.schemas import SUPPRESSION, check_header

_NOTHING_MORE = bytes(5)  # three empty arrays and two nulls: no lift, void, birth or delivery


class Entry(NamedTuple):
    """One record of a list."""

    tenant: str
    channel: str
    status: str
    reasons: tuple[str, ...]
    blocked_scopes: tuple[str, ...]
    registers: Registers
    minor_until: int
    generation: int
    version: int
    cause_id: str
    cause_partition: int
    cause_offset: int


def _encode_head(head: _Head) -> bytes:
    tenant, channel, status, reasons, blocked = head
    denied = array([SHARED[reason] for reason in reasons]) + array([SHARED[scope] for scope in blocked])
    return SUPPRESSION + text(tenant) + text(channel) + text(status) + denied


_Head = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
_HEADS: Remembered[_Head] = Remembered(_encode_head)


def encode_entry(
    reg: Registers, channel: str, standing: Standing, cause: Fact, version: int, generation: int = 0
) -> bytes:
    """The record of a key on the list `channel`, holding what concerns that list of `reg`."""
    mailed = channel != "sharing"
    return b"".join(
        (
            _HEADS[reg.tenant, channel, *standing[:3]],
            array([grant(g) for g in sorted(reg.grants) if on_list(g.node, channel)]) if reg.groups else b"\0",
            array([restriction(r) for r in sorted(reg.restrictions.values()) if on_list(r.node, channel)]),
            array([lift(x) for slot in sorted(reg.lifts) for x in reg.lifts[slot] if on_list(x.node, channel)])
            if reg.lifts
            else b"\0",
            array([void(v) for v in sorted(reg.voids.values())]) if reg.voids else b"\0",
            array([birth(x) for x in sorted(reg.births.values())]) if reg.births else b"\0",
            optional_delivery(reg.bounced if mailed else None),
            optional_delivery(reg.delivered if mailed and reg.bounced else None),
            long(reg.channels),
            long(minor_until(reg, cause.received) if reg.births else 0),
            long(generation),
            long(version),
            text(cause.id),
            long(cause.partition),
            long(cause.offset),
        )
    )


def decode_entry(b: bytes) -> Entry:
    """The record in a value. Errors: `WireError` when the bytes are no suppression of a known schema."""
    check_header(b, SUPPRESSION)
    try:
        tenant, p = read_shared(b, 10)
        channel, p = read_shared(b, p)
        status, p = read_shared(b, p)
        reasons, p = read_array(b, p, read_shared)
        blocked, p = read_array(b, p, read_shared)
        grants, p = read_array(b, p, read_grant)
        restrictions, p = read_array(b, p, read_restriction)
        reg = Registers(tenant)
        if b.startswith(_NOTHING_MORE, p):
            p += len(_NOTHING_MORE)
        else:
            p = read_rare(reg, b, p)
        reg.channels, p = read_channels(b, p)
        minor, p = read_time(b, p)
        generation, p = read_long(b, p)
        version, p = read_long(b, p)
        cause_id, p = read_text(b, p)
        cause_partition, p = read_long(b, p)
        cause_offset, p = read_long(b, p)
    except (IndexError, UnicodeDecodeError) as exc:
        raise WireError("bad_avro", "a suppression that cannot be read") from exc
    if p != len(b):
        raise WireError("bad_avro", "bytes behind a suppression")
    reg.restrictions = {r[:3]: r for r in restrictions}
    reg.keep(grants)
    cause = (cause_id, cause_partition, cause_offset)
    return Entry(tenant, channel, status, tuple(reasons), tuple(blocked), reg, minor, generation, version, *cause)
