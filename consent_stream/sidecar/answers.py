"""Answers of a gate as JSON objects, and whether they are answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from consent_stream.gate import Gate, Status, Verdict
from consent_stream.gate.vector import vector

GAPS = frozenset(("not_ready", "stale"))  # reasons that say nothing of the person
SECONDS = frozenset(("staleness", "settled_staleness", "clock_behind"))  # fields of Status in seconds


def unanswered(verdict: Verdict) -> bool:
    """Whether the gate could not know: the denial stands because there is no proof, and a later question may differ."""
    return not verdict.allow and not GAPS.isdisjoint(verdict.reasons)


def verdict_members(verdict: Verdict) -> dict[str, Any]:
    """A verdict. Units: `applied_through`, `valid_until` microseconds; `staleness_s` seconds."""
    return {
        "allow": verdict.allow,
        "reasons": verdict.reasons,
        "facts": verdict.facts,
        "version": verdict.version,
        "applied_through": verdict.applied_through,
        "staleness_s": verdict.staleness,
        "valid_until": verdict.valid_until,
    }


def status_members(gate: Gate) -> dict[str, Any]:
    """How a gate stands, with its vectors: by partition of `consent.events` the offset before which all is enforced."""
    status = gate.status()
    members = {
        each.name + "_s" if each.name in SECONDS else each.name: _plain(getattr(status, each.name))
        for each in fields(Status)
    }
    vectors = {"applied": vector(gate, settled=False), "settled": vector(gate, settled=True)}
    return members | {
        "vector": {side: {str(p): offset for p, offset in found.items()} for side, found in vectors.items()}
    }


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value  # orjson refuses other mappings
