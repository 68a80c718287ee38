"""P5 and P7 as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.gate import KINDS, AskLap, StoreLap

ASKING = """\
One mailer process, one thread, {entries:,} entries, addresses drawn from all of them, one in ten unknown; by a replica
in its own memory, and reading the store of `gate follow`. Every answer of every lap was compared, as a digest, with the
rules applied to the row it rests on: all {laps} laps agreed. Microseconds; single questions are timed one by one.
"""

STORE = """\
`suppression.email` holds {entries:,} rows (one grant, one in four also withdrawn, ids of their own). `gate follow`
starts on an empty disk (cold) and on what it left (warm). Entries/s counts what the list adds to the start: (time to
`ready`) − (median time with an empty list, {empty:.2f} s).
"""


def gate_section(stores: Sequence[StoreLap], asks: Sequence[AskLap]) -> str:
    """The sections of P5 and P7."""
    lines = ["## P5: a check", "", ASKING.format(entries=stores[0].entries, laps=len(asks))]
    lines += [
        "| rows in | laps | by address p50 min | median | max | p99 median | by key p50 median | p99 median "
        "| one by one, mean | `check_many`, mean | `sift`, mean | digest |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        laps = [lap for lap in asks if lap.kind == kind]
        halves = [lap.email[0] for lap in laps]
        named = "memory" if kind == "memory" else "the store, as a reader"
        lines.append(
            f"| {named} | {len(laps)} | {min(halves):.1f} | **{median(halves):.1f}** | {max(halves):.1f} "
            f"| {median(lap.email[1] for lap in laps):.1f} | **{median(lap.key[0] for lap in laps):.1f}** "
            f"| {median(lap.key[1] for lap in laps):.1f} | {median(lap.one_by_one for lap in laps):.1f} "
            f"| {median(lap.many for lap in laps):.1f} "
            f"| {median(lap.sift for lap in laps):.1f} | `{laps[-1].digest[:8]}` |"
        )
    lines += ["", "Aim: by address p50 ≤ 15 µs, p99 ≤ 60 µs; by subject key ≤ 8 µs.", "", "## P7: the store", ""]
    lines += [STORE.format(entries=stores[0].entries, empty=stores[0].empty)]
    lines += ["| laps | entries/s min | median | max | cold start | warm start, max | bytes an entry | peak RSS MiB |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    rates = [lap.rate for lap in stores]
    lines.append(
        f"| {len(stores)} | {min(rates):,.0f} | **{median(rates):,.0f}** | {max(rates):,.0f} "
        f"| {median(lap.cold for lap in stores):.2f} s | {max(lap.warm for lap in stores):.2f} s "
        f"| {max(lap.size / lap.entries for lap in stores):.0f} | {max(lap.peak_mib for lap in stores):.0f} |"
    )
    lines += ["", "Aim: ≥ 200,000 entries/s, warm ≤ 2 s, ≤ 160 bytes an entry.", ""]
    return "\n".join(lines)
