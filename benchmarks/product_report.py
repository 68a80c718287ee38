"""P2 and P3 as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.product import COMPILED, OURS, STOCK, ProductLap
from benchmarks.restore import RestoreLap

PRODUCT = """\
`consent.events` (JSON, made by `population.py`) is filled first; then one worker process with default settings, both
agents, {partitions} partitions, heartbeats on and the fence on goes through it: intake → ledger → state → suppression
lists and changes. A lap runs from the worker's `ready` to the broker's append time of the last record on a list. The
rival does the same rules (`take_in`, `Folder`) in two stock Faust agents with a RocksDB table, without heartbeats and
without proof of delivery, on a smaller input because it is slow; its lap begins with its first record. After every lap
the latest value of every key in `suppression.email`, `.sms` and `.sharing` was compared, byte for byte but for version
and cause, with the rules applied to the events one after the other: all {laps} laps agreed.
"""

PROFILE = """\
Where Python's time goes (py-spy, samples of the thread that holds the interpreter's lock, a lap of its own at
{rate:,.0f} events/s). librdkafka, RocksDB and the sockets work beside it and show in the CPU column above.
"""

RESTORE = """\
`consent.state` holds {keys:,} keys, rows as P2 left them, {partitions} partitions; a worker starts on an empty disk.
Keys/s counts what the restore adds to the start: (time to `ready` with the keys) − (median time to `ready` with none,
{empty:.2f} s). After every lap the RocksDB stores were read and compared with the topic row for row: all agreed.
"""


def product_section(laps: Sequence[ProductLap], partitions: int) -> str:
    """The section of P2."""
    lines = ["## P2: the whole product", "", PRODUCT.format(laps=len(laps), partitions=partitions)]
    lines += [
        "| engine | laps × events | events/s min | median | max | CPU µs/event, median | peak RSS MiB, max "
        "| ledger facts | list records | changes | heartbeats | keys compared | digest |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for engine in (OURS, COMPILED, STOCK):
        own = [lap for lap in laps if lap.engine == engine]
        if own:
            lines.append(_row(engine, own))
    rates = {engine: [lap.rate for lap in laps if lap.engine == engine] for engine in (OURS, COMPILED, STOCK)}
    if rates[STOCK]:
        ratios = (
            f"{median(rates[engine]) / median(rates[STOCK]):.1f} ({engine})"
            for engine in (OURS, COMPILED)
            if rates[engine]
        )
        lines += ["", f"Ratio of medians to stock Faust: {', '.join(ratios)} (aim ≥ 15). "]
    lines += ["Aim: ≥ 30,000 events/s a worker process."]
    return "\n".join(lines) + "\n"


def _row(engine: str, laps: Sequence[ProductLap]) -> str:
    rates = [lap.rate for lap in laps]
    return (
        f"| {engine} | {len(laps)} × {laps[0].events:,} | {min(rates):,.0f} | **{median(rates):,.0f}** "
        f"| {max(rates):,.0f} | {median(lap.cpu / lap.events * 1e6 for lap in laps):.1f} "
        f"| {max(lap.peak_mib for lap in laps):,.0f} | {laps[0].facts:,} | {median(lap.entries for lap in laps):,.0f} "
        f"| {median(lap.changes for lap in laps):,.0f} | {median(lap.heartbeats for lap in laps):,.0f} "
        f"| {laps[0].keys:,} | `{laps[0].digest[:8]}` |"
    )


def profile_section(costs: Sequence[tuple[str, str, float]], lap: ProductLap) -> str:
    """The profile of P2."""
    lines = ["### P2: µs per event and stage", "", PROFILE.format(rate=lap.rate)]
    lines += ["| stage | part | µs/event |", "|---|---|---|"]
    lines += [f"| {stage} | {part} | {cost:.2f} |" for stage, part, cost in costs]
    for stage in ("intake", "state"):
        lines.append(f"| **{stage}** | all | **{sum(cost for each, _, cost in costs if each == stage):.2f}** |")
    lines.append(f"| **all** | | **{sum(cost for _, _, cost in costs):.2f}** |")
    return "\n".join(lines) + "\n"


def restore_section(laps: Sequence[RestoreLap], partitions: int) -> str:
    """The section of P3."""
    rates = [lap.rate for lap in laps]
    lines = ["## P3: restore", ""]
    lines += [RESTORE.format(keys=laps[0].keys, partitions=partitions, empty=laps[0].ready_empty)]
    lines += ["| laps | keys/s min | median | max | to `ready` | engine's own word | peak RSS MiB, max |"]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [
        f"| {len(laps)} | {min(rates):,.0f} | **{median(rates):,.0f}** | {max(rates):,.0f} "
        f"| {median(lap.ready for lap in laps):.2f} s | {median(lap.engine for lap in laps):.2f} s "
        f"| {max(lap.peak_mib for lap in laps):,.0f} |",
        "",
        "Aim: ≥ 300,000 keys/s.",
    ]
    return "\n".join(lines) + "\n"
