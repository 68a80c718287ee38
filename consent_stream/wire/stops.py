"""The kill switch on the wire: records of `consent.control` whose name begins with `stop/`, and their audit.

One record per tenant and channel, each of them a name or `*`; the newest stands. Resuming writes a value too: a record
that is null or cannot be read stops what its name covers, for unknown is not permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from consent_stream.wire.avro import WireError

EVERY = "*"
CHANNELS = ("email", "sms", "sharing", EVERY)
_BEGINS = b"stop/"

Covered = tuple[str, str]  # tenant, channel


class Stop(NamedTuple):
    """A switch as it stands. at: microseconds. by, reason: who says so and why, for the audit and for on-call."""

    stopped: bool
    reason: str
    by: str
    at: int


UNREADABLE = Stop(True, "the record of the kill switch cannot be read", "", 0)


def encode_stop(tenant: str, channel: str, stop: Stop) -> tuple[bytes, bytes]:
    """Key and value of the record in `consent.control`. Errors: ValueError for a channel that has no list."""
    if channel not in CHANNELS or not tenant:
        raise ValueError(f"a tenant, and one of {', '.join(CHANNELS)}")
    return b"stop/" + channel.encode() + b"/" + tenant.encode(), orjson.dumps(stop._asdict())


def covered(key: bytes) -> Covered | None:
    """What a record of `consent.control` stops or lets go on; None when it is no switch, or of a list unknown here."""
    if not key.startswith(_BEGINS):
        return None
    channel, _, tenant = key.removeprefix(_BEGINS).decode(errors="replace").partition("/")
    return (tenant, channel) if tenant and channel in CHANNELS else None


def decode_stop(value: bytes | None) -> Stop:
    """Errors: `WireError` when it is none; then take `UNREADABLE`."""
    try:
        table: Any = orjson.loads(value or b"")
        stop = Stop(*(table[name] for name in Stop._fields))
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise WireError("bad_stop", "a control record that is no kill switch") from exc
    if [type(part) for part in stop] != [bool, str, str, int]:
        raise WireError("bad_stop", "a kill switch of other types")
    return stop


def covering(stops: Mapping[Covered, Stop], tenant: str, channel: str) -> list[tuple[Covered, Stop]]:
    """Of these switches those that stop a tenant's messages of a list, in order."""
    return [
        (which, stop)
        for which, stop in sorted(stops.items())
        if stop.stopped and which[0] in (tenant, EVERY) and which[1] in (channel, EVERY)
    ]


def encode_audit(tenant: str, channel: str, stop: Stop) -> bytes:
    """What `consent.audit` keeps of a switch, for years and in order; the switch itself holds the newest alone."""
    action = "sending.stopped" if stop.stopped else "sending.resumed"
    record = {"action": action, "at": stop.at, "by": stop.by, "reason": stop.reason}
    return orjson.dumps({**record, "tenant": tenant, "channel": channel})
