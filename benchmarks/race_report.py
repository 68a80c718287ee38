"""P1 as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.race import RIVALS, LapResult, Rival

OURS = RIVALS[0]
AIMS = {"Kafka Streams": 1.5, "Quix Streams": 3.0, "stock Faust": 30.0}

INTRODUCTION = """\
One stage: JSON decode, keyed max-merge, state, output to a compacted topic with acks=all, one worker process (Kafka
Streams: one stream thread). A lap runs from the first record in the engine's hands to the moment its last output can be
read with `read_committed`, both seen from outside. *Second half* leaves out start and warm-up of the JVM. CPU is
user + system time of the whole process over the same span. Every lap's output topic was read back and its latest values
compared with the state computed straight from the input: all {laps} laps agreed.
"""


def race_section(results: Sequence[LapResult]) -> str:
    """The section of RESULTS.md."""
    lines = ["## P1: the engine race", "", INTRODUCTION.format(laps=len(results))]
    lines += [
        "| engine | state | laps × events | events/s min | median | max | second half, median | CPU µs/event, median "
        "| peak RSS MiB, max | outputs, median | state |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rival in RIVALS:
        laps = [result for result in results if result.rival is rival]
        lines.append(_row(rival, laps))
    lines += ["", "| ratio of medians | all | second half | aim |", "|---|---|---|---|"]
    for rival in RIVALS[1:]:
        aim = next((times for name, times in AIMS.items() if rival.label.startswith(name)), None)
        lines.append(
            f"| ours fenced ÷ {rival.label} | {_ratio(results, rival)} | {_second_half_ratio(results, rival)} "
            f"| {f'≥ {aim:g}' if aim else ''} |"
        )
    return "\n".join(lines) + "\n"


def _row(rival: Rival, laps: Sequence[LapResult]) -> str:
    rates = [lap.rate for lap in laps]
    cpu = median(lap.timing.cpu / lap.events * 1e6 for lap in laps)
    return (
        f"| {rival.label} | {rival.state} | {len(laps)} × {laps[0].events:,} | {min(rates):,.0f} "
        f"| **{median(rates):,.0f}** | {max(rates):,.0f} | {_thousands(_second_half(laps))} | {cpu:.1f} "
        f"| {max(lap.timing.peak_mib for lap in laps):,.0f} | {median(lap.outputs for lap in laps):,.0f} "
        f"| `{laps[0].digest[:8]}` |"
    )


def _second_half(laps: Sequence[LapResult]) -> float | None:
    known = [lap.second_half for lap in laps if lap.second_half is not None]
    return median(known) if len(known) == len(laps) else None


def _ratio(results: Sequence[LapResult], rival: Rival) -> str:
    ours = median(lap.rate for lap in results if lap.rival is OURS)
    theirs = median(lap.rate for lap in results if lap.rival is rival)
    return f"{ours / theirs:.2f}"


def _second_half_ratio(results: Sequence[LapResult], rival: Rival) -> str:
    ours = _second_half([lap for lap in results if lap.rival is OURS])
    theirs = _second_half([lap for lap in results if lap.rival is rival])
    return f"{ours / theirs:.2f}" if ours and theirs else "–"


def _thousands(rate: float | None) -> str:
    return f"{rate:,.0f}" if rate is not None else "–"
