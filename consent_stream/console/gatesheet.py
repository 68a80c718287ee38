"""How every gate stands by its last report in `consent.gates`. Pure.

A gate that said goodbye is gone; one that has been silent for `SILENT` is named, until it is `FORGOTTEN` (as at
barriers). A report tells of the past: what a gate was behind when it wrote, and all the time since, is how far it is
behind at most now.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from consent_stream.inspection.barrier import FORGOTTEN, SILENT
from consent_stream.wire.gate_report import GateReport

MOST_GATES = 20_000  # anybody who may write there may invent some
State = Literal["silent", "not ready", "stale", "other lists", "fresh"]
_WORST_FIRST: tuple[State, ...] = ("silent", "not ready", "stale", "other lists", "fresh")


class Gate(NamedTuple):
    """One gate. through: the instant before which it has applied every event (µs). behind: seconds, by its own word and
    the age of it; None when it does not tell. spoke: seconds ago."""

    report: GateReport
    state: State
    through: int | None
    behind: float | None
    spoke: float


class Gatesheet:
    """The newest report of each gate."""

    def __init__(self) -> None:
        self._newest: dict[str, GateReport] = {}

    def hear(self, report: GateReport, now: int) -> None:
        """Take one in. now: µs."""
        known = self._newest.get(report.gate)
        if known is not None and report.written < known.written:
            return
        if report.closing:
            self._newest.pop(report.gate, None)
            return
        if known is None and len(self._newest) >= MOST_GATES:
            self._forget(now)
            if len(self._newest) >= MOST_GATES:
                return
        self._newest[report.gate] = report

    def gates(self, now: int, active: int | None) -> list[Gate]:
        """All that count, the worst first. active: the generation that gates must obey; None when nobody can tell."""
        self._forget(now)
        found = [_judged(report, now, active) for report in self._newest.values()]
        return sorted(found, key=lambda gate: (_WORST_FIRST.index(gate.state), gate.report.channel, gate.report.name))

    def _forget(self, now: int) -> None:
        for gate in [gate for gate, report in self._newest.items() if abs(now - report.written) >= FORGOTTEN]:
            del self._newest[gate]


def _judged(report: GateReport, now: int, active: int | None) -> Gate:
    age = max(0, now - report.written)
    behind = None if report.staleness is None else (report.staleness + age) / 1e6
    through = min((point.through for point in report.applied.values()), default=None)
    state: State = "fresh"
    if abs(now - report.written) > SILENT:
        state = "silent"
    elif not report.ready:
        state = "not ready"
    elif behind is None or behind * 1e6 > report.staleness_limit:
        state = "stale"
    elif active is not None and report.generation != active:
        state = "other lists"
    return Gate(report, state, through, behind, age / 1e6)
