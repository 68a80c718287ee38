"""The parts of a ledger fact as structs of one type: a column that is of no part's kind is null."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from consent_stream.domain.facts import Birth, Delivery, Grant, Lift, Link, Part, Request, Restriction, Void

_INSTANT, _TEXT = pa.timestamp("us", tz="UTC"), pa.string()
PART = pa.struct(
    [
        ("part", _TEXT),  # restriction, grant, lift, void, birth, delivery, request, link
        ("kind", _TEXT),
        ("purpose", _TEXT),
        ("channel", _TEXT),
        ("scope", _TEXT),
        ("level", pa.int8()),  # of evidence, 0 to 4
        ("lo", _INSTANT),  # the earliest instant at which it can have happened
        ("hi", _INSTANT),  # the latest
        ("valid_until", _INSTANT),
        ("names", pa.list_(_TEXT)),
        ("notice_id", _TEXT),
        ("notice_version", _TEXT),
        ("batch", _TEXT),
        ("credential", _TEXT),
        ("selector", _TEXT),
        ("bounced", pa.bool_()),
        ("open", pa.bool_()),
        ("linked_key", _TEXT),
    ]
)


def part_row(part: Part) -> dict[str, Any]:
    """A part as the struct has it."""
    said: dict[str, Any] = {"part": type(part).__name__.lower()}
    match part:
        case Restriction():
            return said | part.node._asdict() | {"kind": part.kind, "hi": part.hi, "open": part.open}
        case Grant():
            own = ("level", "lo", "valid_until", "notice_id", "notice_version", "batch", "credential")
            names = [str(each) for each in part.names]
            return said | part.node._asdict() | {name: getattr(part, name) for name in own} | {"names": names}
        case Lift():
            return said | part.node._asdict() | {"kind": part.kind, "lo": part.lo}
        case Void():
            return said | {"selector": part.selector, "open": part.open}
        case Birth():
            return said | {"hi": part.hi, "open": part.open}
        case Delivery():
            return said | {"bounced": part.bounced, "hi" if part.bounced else "lo": part.time}
        case Request():
            return said | {"purpose": part.purpose, "channel": part.channel, "lo": part.lo}
        case Link():
            return said | {"linked_key": part.key.hex()}
