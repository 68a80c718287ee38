"""`gate_report`: the records of `consent.gates`, by which every gate says how far it has got."""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.wire.schemas import GATE_REPORT
from consent_stream.wire.vector import Vector, read_record, rows_of, vector_of, write_record


class GateReport(NamedTuple):
    """How far one gate has got. Fields as in `gate_report.avsc`. Units: times and spans in microseconds."""

    gate: str
    name: str
    host: str
    channel: str
    list: str
    started: int
    written: int
    closing: bool
    phase: str
    ready: bool
    trouble: str | None
    generation: int
    partitions: int
    events: int
    applied: Vector
    settled: Vector
    control: int
    entries: int
    staleness_limit: int
    staleness: int | None


def encode_report(report: GateReport) -> tuple[bytes, bytes]:
    """Key and value of the record in `consent.gates`."""
    record = report._asdict() | {"applied": rows_of(report.applied), "settled": rows_of(report.settled)}
    return report.gate.encode(), write_record("gate_report", GATE_REPORT, record)


def decode_report(value: bytes) -> GateReport:
    """Errors: `WireError` when the bytes are no report of a known schema."""
    record = read_record("gate_report", GATE_REPORT, value)
    return GateReport(**record | {"applied": vector_of(record["applied"]), "settled": vector_of(record["settled"])})
