"""P4 and P8 as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.growth import GrowthLap
from benchmarks.latency import Latency

LATENCY = """\
One worker with default settings, a gate in a process of its own, {load} other events a second. People who consented
unsubscribe one after the other; counted is the time from the append time of the unsubscribe in `consent.events` (whole
milliseconds, rounded down: up to 1 ms is counted too much) until the gate's answer is `unsubscribed`, looked at every
half millisecond. All {probes} were enforced.
"""

GROWTH = """\
{events:,} events about more and more people, half of them about few (Zipf), on an empty state each time: more people
are more keys, fewer events a key and less that a worker still has decoded. Lists compared with the oracle as in P2.
"""


def latency_section(found: Latency) -> str:
    """The section of P4."""
    lines = ["## P4: click → enforced", "", LATENCY.format(load=found.load, probes=len(found.milliseconds))]
    lines += ["| unsubscribes | min ms | p50 | p90 | p99 | max |", "|---|---|---|---|---|---|"]
    quantiles = " | ".join(f"{value:.0f}" for value in (found.at(0.9), found.at(0.99), max(found.milliseconds)))
    lines.append(
        f"| {len(found.milliseconds)} | {min(found.milliseconds):.0f} | **{found.at(0.5):.0f}** | {quantiles} |"
    )
    return "\n".join([*lines, "", "Aim: p50 ≤ 20 ms, p99 ≤ 100 ms."]) + "\n"


def growth_section(laps: Sequence[GrowthLap]) -> str:
    """The section of P8."""
    lines = ["## P8: growth", "", GROWTH.format(events=laps[0].lap.events)]
    lines += ["| keys | laps | events/s min | median | max | of the smallest | peak RSS MiB |"]
    lines += ["|---|---|---|---|---|---|---|"]
    sizes = sorted({each.keys for each in laps})
    first = 0.0
    for size in sizes:
        rates = [each.lap.rate for each in laps if each.keys == size]
        first = first or median(rates)
        peak = max(each.lap.peak_mib for each in laps if each.keys == size)
        lines.append(
            f"| {size:,} | {len(rates)} | {min(rates):,.0f} | **{median(rates):,.0f}** | {max(rates):,.0f} "
            f"| {median(rates) / first:.0%} | {peak:,.0f} |"
        )
    return "\n".join([*lines, "", "Aim: a worker's rate falls by at most 20 % from 100 k to 10 M keys."]) + "\n"
