"""`consent_state`: the value of `consent.state` and of the table's rows. Equal registers are equal bytes."""

from __future__ import annotations

from consent_stream.domain.registers import Registers
from consent_stream.wire.avro import SHARED, WireError, array, blob, long, read_blob, read_shared
from consent_stream.wire.parts import (
    birth,
    grant,
    lift,
    optional_delivery,
    read_array,
    read_channels,
    read_grant,
    read_rare,
    read_request,
    read_restriction,
    request,
    restriction,
    void,
)
from consent_stream.wire.schemas import CONSENT_STATE, check_header

_NOTHING_MORE = bytes(7)  # five empty arrays or bytes and two nulls: what most rows end with
_LINK = 20  # bytes of a packed link: the mask of channels, then the subject key


def encode_registers(reg: Registers) -> bytes:
    """The row of a key. Laws: independent of the order in which the registers were filled."""
    restrictions, lifts = reg.restrictions, reg.lifts
    head = CONSENT_STATE + SHARED[reg.tenant] + long(reg.channels)
    head += array([restriction(r) for r in _sorted(restrictions)]) if restrictions else b"\0"
    head += array([grant(g) for g in sorted(reg.grants)]) if reg.groups else b"\0"
    if not (lifts or reg.voids or reg.births or reg.bounced or reg.delivered or reg.requested or reg.links):
        return head + _NOTHING_MORE
    return b"".join(
        (
            head,
            array([lift(x) for slot in sorted(lifts) for x in lifts[slot]]) if lifts else b"\0",
            array([void(v) for v in _sorted(reg.voids)]),
            array([birth(x) for x in _sorted(reg.births)]),
            optional_delivery(reg.bounced),
            optional_delivery(reg.delivered),
            array([request(x) for x in _sorted(reg.requested)]),
            blob(b"".join([bytes((reg.links[key],)) + key for key in sorted(reg.links)])) if reg.links else b"\0",
        )
    )


def _sorted(slots: dict):  # type: ignore[no-untyped-def, type-arg]
    """The values in the order of their slots; most keys have one of a sort, if any."""
    return slots.values() if len(slots) < 2 else [slots[slot] for slot in sorted(slots)]


def decode_registers(b: bytes) -> Registers:
    """The registers in a row. Errors: `WireError` when the bytes are no state of a known schema."""
    check_header(b, CONSENT_STATE)
    try:
        tenant, p = read_shared(b, 10)
        channels, p = read_channels(b, p)
        reg = Registers(tenant, channels)
        restrictions, p = read_array(b, p, read_restriction)
        reg.restrictions = {r[:3]: r for r in restrictions}
        grants, p = read_array(b, p, read_grant)
        if grants:
            reg.keep(grants)
        if b.startswith(_NOTHING_MORE, p) and len(b) == p + len(_NOTHING_MORE):
            return reg
        p = read_rare(reg, b, p)
        requested, p = read_array(b, p, read_request)
        links, p = read_blob(b, p)
    except (IndexError, UnicodeDecodeError) as exc:
        raise WireError("bad_avro", "a state that cannot be read") from exc
    if p != len(b) or len(links) % _LINK:
        raise WireError("bad_avro", "a state of the wrong length")
    reg.requested = {x[:2]: x for x in requested}
    if links:
        reg.links = {links[i + 1 : i + _LINK]: links[i] for i in range(0, len(links), _LINK)}
    return reg
