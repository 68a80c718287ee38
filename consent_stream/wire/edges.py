"""`consent.edges`: what each edge has given to Kafka by now. One record per edge, the newest stands (compacted).

An edge answers a person when an event is in `consent.events`, or on its own disk. What is on its disk nobody else can
see; so it says, several times a second, up to when everything that it answered is in `consent.events`. Where that is
silent, or stays behind, the lists are as old as its last word, however fast they are otherwise. JSON, as in
`consent.control`; a null value means that there is no such edge any more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from consent_stream.wire.avro import WireError


class EdgeBeat(NamedTuple):
    """through: µs; everything that it answered before is in `consent.events`, before `ends`, an offset a partition.

    since: µs; it answered nothing before. ended: it has gone, with nothing on its disk.
    """

    id: str
    since: int
    through: int
    ends: tuple[int, ...]
    ended: bool = False


class ForgottenEdge(NamedTuple):
    """by, reason, at (µs): for on-call; `consent.audit` has it."""

    id: str
    by: str
    reason: str
    at: int


def encode_forgotten(forgotten: ForgottenEdge) -> bytes:
    """What `consent.audit` keeps of it."""
    return orjson.dumps({"action": "edge.forgotten", **forgotten._asdict()})


def encode_edge(beat: EdgeBeat) -> tuple[bytes, bytes]:
    """Key and value."""
    return beat.id.encode(), orjson.dumps({**beat._asdict(), "ends": list(beat.ends)})


def decode_edge(key: bytes | None, value: bytes) -> EdgeBeat:
    """Errors: WireError."""
    try:
        found: Any = orjson.loads(value)
        ident = (key or b"").decode()
        ends = tuple(found["ends"])
        beat = EdgeBeat(ident, found["since"], found["through"], ends, found["ended"])
    except (ValueError, KeyError, TypeError) as error:
        raise WireError("bad_value", "a beat of an edge that cannot be read") from error
    numbers = (beat.since, beat.through, *ends)
    if not ident or not all(type(each) is int and each >= 0 for each in numbers) or type(beat.ended) is not bool:
        raise WireError("bad_value", "a beat of an edge that cannot be read")
    return beat
