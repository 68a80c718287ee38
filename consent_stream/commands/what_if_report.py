"""What `what-if` tells: one object for programs, tables for people, a line a flip for --list. Keys in hex alone."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from consent_stream.commands.screen import clock, console, plain, printable
from consent_stream.rebuild.trial import Trial, Tried
from consent_stream.rebuild.whatif import DECISION, INTAKE, Flip

NOTE = (
    "decision: true for everybody when workers start with this policy. intake: had it qualified the events still in "
    "consent.events; older ones, and facts in the ledger, stay as they were qualified."
)


def fields(trial: Trial, tried: Tried, limit: int) -> dict[str, Any]:
    """The whole answer. limit: rows at most; `left_off` says how many there are beyond."""
    rows = tried.tally.rows()
    return {
        "at": clock(trial.at),
        "generation": trial.generation,
        "judged": tried.tally.judged,
        "flipped": tried.tally.keys,
        "by": {step: sum(n for flip, n in rows if flip.through == step) for step in (DECISION, INTAKE)},
        "rows": [{**_fields(flip), "addresses": count} for flip, count in rows[:limit]],
        "left_off": max(0, len(rows) - limit),
        "everyone_else": [_fields(flip) for flip in tried.nobody],
        "facts": tried.facts,
        "unreadable_facts": tried.unreadable,
        "events": tried.events,
        "events_from": {
            str(p): {"first": span.first, "stop": span.stop, "since": clock(span.since)}
            for p, span in sorted(tried.where.spans.items())
        },
        "quarantined": dict(sorted(tried.refused.items())),
    }


def _fields(flip: Flip) -> dict[str, Any]:
    return {
        "through": flip.through, "direction": flip.direction, "tenant": flip.tenant, "channel": flip.channel,
        "purpose": flip.purpose, "scope": flip.scope, "before": list(flip.before), "after": list(flip.after),
    }  # fmt: skip


def line(key: bytes, flip: Flip) -> str:
    """A key, and behind `#` what flips: the form that `activate --approve` reads."""
    about = " ".join(map(printable, (flip.tenant, flip.channel, flip.purpose, flip.scope)))
    return f"{key.hex()}  # {flip.direction} {about}; {_reasons(flip.before)} → {_reasons(flip.after)}; {flip.through}"


def _reasons(reasons: tuple[str, ...] | list[str]) -> str:
    return ", ".join(reasons) or "allowed"


def show(told: dict[str, Any]) -> None:
    """For people."""
    screen = console()
    if told["rows"]:
        screen.print(_table(told["rows"], "addresses"))
    if told["left_off"]:
        screen.print(f"… and {told['left_off']} more rows: --limit shows more")
    if told["everyone_else"]:
        screen.print("Everyone else (on no list):", style="bold")
        screen.print(_table(told["everyone_else"], None))
    _tell_source(screen, told)
    if told["flipped"] or told["everyone_else"]:
        by = ", ".join(f"{step} {count}" for step, count in told["by"].items())
        screen.print(f"[bold red]{told['flipped']} of {told['judged']} addresses flip[/bold red] (answers: {by})")
    else:
        screen.print(f"[bold green]nobody flips[/bold green] of {told['judged']} addresses")


def _table(rows: list[dict[str, Any]], count: str | None) -> Table:
    names = [*([count] if count else []), "direction", "tenant", "channel", "purpose", "scope", "before", "after", "by"]
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        about = (row["direction"], row["tenant"], row["channel"], row["purpose"], row["scope"])
        cells = (*about, _reasons(row["before"]), _reasons(row["after"]), row["through"])
        table.add_row(*([str(row[count])] if count else []), *map(plain, cells))
    return table


def _tell_source(screen: Console, told: dict[str, Any]) -> None:
    screen.print(
        f"decided for {told['at']}, generation {told['generation']}: {told['facts']} facts of the ledger, "
        f"{told['events']} events qualified anew",
        style="dim",
    )
    if told["quarantined"]:
        codes = ", ".join(f"{code} {count}" for code, count in told["quarantined"].items())
        screen.print(f"of these events the new policy sends to quarantine: {codes}", style="dim")
    if told["unreadable_facts"]:
        screen.print(f"{told['unreadable_facts']} facts cannot be read by this version: left out", style="yellow")
    screen.print(NOTE, style="dim")
