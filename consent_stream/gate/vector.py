"""How far a gate has got, partition by partition of `consent.events`: what a receipt is compared with."""

from __future__ import annotations

from consent_stream.gate.gate import Gate


def vector(gate: Gate, *, settled: bool) -> dict[int, int]:
    """By partition of `consent.events`: every record with a smaller offset is enforced here; 0 while that is unknown.

    settled: for questions without a contact, else for those that name it. Empty until the gate knows how many
    partitions there are.
    """
    freshness = gate._reading.freshness
    return {p: freshness.offset(p, settled) for p in range(freshness.events)}
