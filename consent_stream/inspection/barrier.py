"""Has every gate got so far? From what gates say of themselves in `consent.gates`. Pure.

1. A gate that said goodbye is gone. One that has been silent for `SILENT` is named, for nobody knows what it does; cut
   off from Kafka it denies everything once its own limit is over.
2. `since` is when a gate's own clock first showed it to be so, as far as reports still tell; it may have been before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from consent_stream.wire.gate_report import GateReport

SILENT = 10_000_000  # microseconds without a report; a gate writes one a second
FORGOTTEN = 86_400_000_000  # microseconds
State = Literal["reached", "behind", "silent"]
Lag = Callable[[GateReport], str | None]  # how far a gate is from what is asked; None when it is there


class GateState(NamedTuple):
    """One gate. since: when it was first seen to be there, else when it last spoke (µs). lag: in words, if any."""

    report: GateReport
    state: State
    since: int
    lag: str | None


class Barrier(NamedTuple):
    """All gates that count, by name and list."""

    gates: tuple[GateState, ...]

    @property
    def reached(self) -> int:
        """How many are there."""
        return sum(each.state == "reached" for each in self.gates)

    @property
    def passed(self) -> bool:
        """Whether there is a gate, and all are there."""
        return bool(self.gates) and self.reached == len(self.gates)

    @property
    def since(self) -> int | None:
        """From when on it holds for all; None when it does not."""
        return max(each.since for each in self.gates) if self.passed else None


class Reports:
    """What was heard, in any order and as often as it comes."""

    def __init__(self, lag: Lag) -> None:
        self._lag = lag
        self._newest: dict[str, GateReport] = {}
        self._first: dict[str, int] = {}

    def hear(self, reports: Iterable[GateReport]) -> None:
        """Take some in."""
        for report in reports:
            known = self._newest.get(report.gate)
            if known is None or report.written >= known.written:
                self._newest[report.gate] = report
            if self._lag(report) is None:
                self._first[report.gate] = min(report.written, self._first.get(report.gate, report.written))

    def barrier(self, now: int, channels: Iterable[str] = ()) -> Barrier:
        """How it stands at an instant (µs). channels: of these lists alone; empty for all."""
        wanted = set(channels)
        counted = [
            self._state(report, now)
            for report in self._newest.values()
            if not report.closing and now - report.written < FORGOTTEN and (not wanted or report.channel in wanted)
        ]
        return Barrier(
            tuple(sorted(counted, key=lambda each: (each.report.channel, each.report.name, each.report.gate)))
        )

    def _state(self, report: GateReport, now: int) -> GateState:
        lag = self._lag(report)
        if abs(now - report.written) > SILENT:  # a clock so far ahead is no word of now either
            return GateState(report, "silent", report.written, lag)
        if lag is not None:
            return GateState(report, "behind", report.written, lag)
        return GateState(report, "reached", self._first[report.gate], None)


def events_lag(wanted: Mapping[int, int], *, settled: bool, generation: int) -> Lag:
    """Whether events are enforced. wanted: the greatest offset by partition of `consent.events`.

    settled: for questions without a contact too; else for those that name it, which is sooner.
    """

    def lag(report: GateReport) -> str | None:
        if report.generation != generation:
            return f"reads generation {report.generation}, not {generation}"
        vector = report.settled if settled else report.applied
        behind = [
            f"{p}:{vector[p].offset if p in vector else 0}"
            for p, offset in sorted(wanted.items())
            if p not in vector or vector[p].offset <= offset
        ]
        return f"has got to {', '.join(behind)}" if behind else None

    return lag


def control_lag(offset: int) -> Lag:
    """Whether a record of `consent.control` is obeyed."""

    def lag(report: GateReport) -> str | None:
        return None if report.control > offset else f"has read consent.control to {report.control}"

    return lag


def members(found: Barrier) -> dict[str, Any]:
    """As JSON has it. Times in microseconds."""
    gates = [
        {
            "gate": each.report.gate, "name": each.report.name, "host": each.report.host, "list": each.report.list,
            "state": each.state, "since": each.since, "lag": each.lag, "trouble": each.report.trouble,
        }
        for each in found.gates
    ]  # fmt: skip
    return {"passed": found.passed, "reached": found.reached, "of": len(gates), "since": found.since, "gates": gates}
