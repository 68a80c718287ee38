"""Heartbeats and progress: how far the events are applied, and how a reader knows (WIRE §3).

A vector maps each partition of `consent.events` to (offset, through): every record before the offset, and every record
appended before the instant `through`, has reached its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, NamedTuple

import fastavro

from consent_stream.wire.avro import WireError
from consent_stream.wire.schemas import HEARTBEAT, PROGRESS, check_header, schema

HOPS = 2  # derivations an event can set off: address → contact → address


class Point(NamedTuple):
    offset: int
    through: int  # microseconds


Vector = dict[int, Point]


class Heartbeat(NamedTuple):
    """What the owner of a ledger partition has applied; in each partition of each suppression topic."""

    partition: int
    generation: int
    partitions: int  # of consent.events: a vector with fewer entries is not complete
    written: int  # microseconds, the owner's clock
    applied: Vector
    settled: Vector


class Progress(NamedTuple):
    """One report in `consent.progress`: hop 0 from the intake, 1 and 2 from the owner of a ledger partition."""

    stage: str
    hop: int
    partition: int
    vector: Vector
    ends: tuple[int, ...]


def join(a: Mapping[int, Point], b: Mapping[int, Point]) -> Vector:
    """The greater of both, per partition and part: what either has applied is applied."""
    joined = dict(a)
    for p, point in b.items():
        known = joined.get(p)
        joined[p] = (
            point if known is None else Point(max(known.offset, point.offset), max(known.through, point.through))
        )
    return joined


def meet(vectors: Iterable[Mapping[int, Point]]) -> Vector:
    """The least of all: what every one of them has applied. A partition that one of them lacks is not in it."""
    found: Vector | None = None
    for vector in vectors:
        if found is None:
            found = dict(vector)
            continue
        found = {
            p: Point(min(point.offset, vector[p].offset), min(point.through, vector[p].through))
            for p, point in found.items()
            if p in vector
        }
    return found or {}


def encode_heartbeat(beat: Heartbeat) -> bytes:
    record = beat._asdict() | {"applied": rows_of(beat.applied), "settled": rows_of(beat.settled)}
    return write_record("heartbeat", HEARTBEAT, record)


def decode_heartbeat(value: bytes) -> Heartbeat:
    """Errors: `WireError` when the bytes are no heartbeat of a known schema."""
    record = read_record("heartbeat", HEARTBEAT, value)
    return Heartbeat(**record | {"applied": vector_of(record["applied"]), "settled": vector_of(record["settled"])})


def encode_progress(progress: Progress) -> bytes:
    return write_record("progress", PROGRESS, progress._asdict() | {"vector": rows_of(progress.vector)})


def decode_progress(value: bytes) -> Progress:
    """Errors: `WireError` when the bytes are no progress of a known schema."""
    record = read_record("progress", PROGRESS, value)
    return Progress(**record | {"vector": vector_of(record["vector"]), "ends": tuple(record["ends"])})


def rows_of(vector: Mapping[int, Point]) -> list[dict[str, int]]:
    """A vector as the array that schemas hold."""
    return [{"partition": p, "offset": point.offset, "through": point.through} for p, point in sorted(vector.items())]


def vector_of(rows: Iterable[Mapping[str, Any]]) -> Vector:
    """The array that schemas hold as a vector."""
    return {row["partition"]: Point(row["offset"], row["through"]) for row in rows}


def write_record(name: str, header: bytes, record: Mapping[str, Any]) -> bytes:
    """A value of the schema `name`."""
    out = BytesIO()
    out.write(header)
    fastavro.schemaless_writer(out, schema(name), record)
    return out.getvalue()


def read_record(name: str, header: bytes, value: bytes) -> dict[str, Any]:
    """The record in a value. Errors: `WireError` when it is none of the schema `name`."""
    check_header(value, header)
    body = BytesIO(value[len(header) :])
    try:
        record: Any = fastavro.schemaless_reader(body, schema(name), None)
    except (EOFError, IndexError, ValueError, OverflowError, MemoryError) as exc:
        raise WireError("bad_avro", f"a {name} that cannot be read") from exc
    if body.read(1):
        raise WireError("bad_avro", f"bytes behind a {name}")
    return dict(record)
