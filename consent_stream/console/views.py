"""What each page shows, taken from the model under its lock: plain values, for templates that decide nothing."""

from __future__ import annotations

from typing import Any

from consent_stream.console import plots, words
from consent_stream.console.flow import Flow
from consent_stream.console.model import Model
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, QUARANTINE

LISTS = ("email", "sms", "sharing")
MOST_ROWS = 500
HOURS_A_MARK = 8
STEPS_A_MARK = 10


def standing(model: Model, now: int) -> dict[str, Any]:
    """What every page says at its top: how old the figures are, and what is wrong."""
    with model.lock:
        return {
            "age": model.age(now),
            "current": model.current(now),
            "heard": model.heard,
            "trouble": model.trouble,
            "reading": model.reading,
            "unreadable": sum(model.unreadable.values()),
        }


def flow(model: Model, now: int) -> dict[str, Any]:
    """Rates, lag, workers, edges, generation and switches."""
    with model.lock:
        told = model.flow
        gates = model.gatesheet.gates(now, model.control.active)
        speaking = [gate for gate in gates if gate.state != "silent"]  # of the others nobody knows what they do
        return {
            "rates": [(topic.name, told.rate(topic.name, now), told.end(topic.name)) for topic in COUNTED],
            "stages": told.stages(EVENTS.name, now),
            "plot": _rate_plot(told, now),
            "gates": len(speaking),
            "silent": len(gates) - len(speaking),
            "fresh": sum(gate.state == "fresh" for gate in speaking),
            "worst": max((gate.behind for gate in speaking if gate.behind is not None), default=None),
            "group": model.group,
            "edges": [
                (edge.id, max(0, now - edge.through) / 1e6, edge.since)
                for edge in sorted(model.edges.values(), key=lambda edge: edge.through)[:MOST_ROWS]
            ],
            "generation": model.control.active,
            "read": model.generation,
            "policy": model.control.policy is not None,
            "stops": sorted((tenant, channel, stop) for (tenant, channel), stop in model.control.stops.items()),
            "known": model.caught_up,
        }


COUNTED = (EVENTS, LEDGER, CHANGES, QUARANTINE)


def _rate_plot(told: Flow, now: int) -> plots.Plot:
    rates = told.rates(EVENTS.name, now)
    known = [rate for _, rate in rates if rate is not None]
    most = f"at most {max(known):,.0f} a second" if known else "nothing is known yet"
    values = [(words.clock(at), rate) for at, rate in rates]
    return plots.curve(
        "Events a second, last 15 minutes", f"A line of {len(known)} half minutes: {most}.", values, STEPS_A_MARK
    )


def gates(model: Model, now: int) -> dict[str, Any]:
    """Every gate, the worst first."""
    with model.lock:
        found, known = model.gatesheet.gates(now, model.control.active), model.caught_up
    by_list: dict[str, list[int]] = {}
    for gate in found:
        counted = by_list.setdefault(gate.report.channel, [0, 0, 0])
        counted[0] += gate.state == "fresh"
        counted[1] += gate.state != "silent"
        counted[2] += gate.state == "silent"
    return {"gates": found[:MOST_ROWS], "more": max(0, len(found) - MOST_ROWS), "lists": by_list, "known": known}


def optouts(model: Model, now: int, channel: str) -> dict[str, Any]:
    """The opt-outs of one list in two days."""
    with model.lock:
        sheet = model.optouts.sheet(channel, now)
    most = max(sheet.hours, key=lambda each: each[1])
    described = f"{sheet.total} opt-outs in 48 hours"
    if sheet.total:
        described += f"; the most, {most[1]}, in the hour from {words.instant(most[0])}"
    hours = [(words.day_and_hour(at), number) for at, number in sheet.hours]
    marks = [words.clock(at) if n % HOURS_A_MARK == 0 else "" for n, (at, _) in enumerate(sheet.hours)]
    plot = plots.bars(f"Opt-outs by hour (UTC), list {channel}", f"{described}.", hours, marks)
    return {"sheet": sheet, "plot": plot, "hours": hours, "channel": channel, "lists": LISTS}


def quarantine(model: Model, now: int, code: str | None) -> dict[str, Any]:
    """What lies in quarantine: what may be a withdrawal, counts, then coordinates."""
    with model.lock:
        found = model.quarantined
        doubts = found.open_doubts()
        return {
            "codes": found.by_code(),
            "rows": found.rows(code),
            "code": code,
            "total": found.counts.total(),
            "doubts": len(doubts),
            "oldest": max(0, now - doubts[0].at) / 1e6 if doubts else None,
        }
