"""`python -m benchmarks.run`: every benchmark on one real Kafka, results into RESULTS.md.

Exit 0 when every result is right, whatever its time; 1 when a result is wrong or an engine broke.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from benchmarks.edge import edge_section, laps
from benchmarks.environments import ROOT, say
from benchmarks.gate import gate
from benchmarks.gate_report import gate_section
from benchmarks.growth import growth
from benchmarks.lap_timing import LapFailed
from benchmarks.latency import latency
from benchmarks.latency_report import growth_section, latency_section
from benchmarks.machine import machine_lines
from benchmarks.product import courses, product, run_lap
from benchmarks.product_report import product_section, profile_section, restore_section
from benchmarks.profile import Profiler, stage_costs
from benchmarks.race import race
from benchmarks.race_report import race_section
from benchmarks.restore import restore
from benchmarks.scrub import lap, scrub_section
from consent_stream.dev.errors import DevError
from consent_stream.dev.kafka import LocalKafka
from consent_stream.wire.state import encode_registers
from consent_stream.wire.topics import PARTITIONS

PARTS = ("race", "product", "restore", "latency", "gate", "scrub", "edge")
ON_DEMAND = ("growth",)  # longer than a quarter of an hour with the rest


@dataclass(frozen=True)
class Sizes:
    """How much is run. `short_*`: inputs of the slow rivals."""

    repeats: int
    events: int
    short_events: int
    product_events: int
    product_short_events: int
    keys: int
    probes: int
    load: int
    entries: int
    questions: int
    addresses: int
    growth_events: int
    people: tuple[int, ...]
    edge_seconds: float


@click.command()
@click.option(
    "--only",
    "parts",
    multiple=True,
    type=click.Choice((*PARTS, *ON_DEMAND)),
    help=f"Run these parts (default: {', '.join(PARTS)}).",
)
@click.option("--repeats", default=5, show_default=True, help="Laps of everything.")
@click.option("--events", default=200_000, show_default=True, help="P1: events of a lap.")
@click.option("--short-events", default=20_000, show_default=True, help="P1: events of a lap of stock Faust.")
@click.option("--product-events", default=150_000, show_default=True, help="P2: events of a lap.")
@click.option("--product-short-events", default=5_000, show_default=True, help="P2: of a lap of stock Faust.")
@click.option("--keys", default=1_000_000, show_default=True, help="P3: keys to restore.")
@click.option("--probes", default=500, show_default=True, help="P4: unsubscribes.")
@click.option("--load", default=500, show_default=True, help="P4: other events a second.")
@click.option("--entries", default=1_000_000, show_default=True, help="P5, P6, P7: rows of a list.")
@click.option("--questions", default=50_000, show_default=True, help="P5: questions of a lap.")
@click.option("--addresses", default=1_000_000, show_default=True, help="P6: rows of the list to be cleaned.")
@click.option("--edge-seconds", default=10.0, show_default=True, help="P10: seconds of a lap.")
@click.option("--growth-events", default=300_000, show_default=True, help="P8: events of a lap.")
@click.option("--people", multiple=True, type=int, default=(10_000, 100_000, 1_000_000), show_default=True, help="P8.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), default=ROOT / "benchmarks" / "RESULTS.md")
def main(parts: tuple[str, ...], report: Path, **sizes: Any) -> None:
    """Run the benchmarks and write the report."""
    started = datetime.now(UTC)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="consent-bench-") as scratch,
            LocalKafka(jar_set="tools", say=say) as kafka,
        ):
            sections = run(kafka.bootstrap, Path(scratch), parts or PARTS, Sizes(**sizes))
    except (LapFailed, DevError) as problem:
        say(f"FAILED: {problem}")
        sys.exit(1)
    report.write_text("\n".join([*_head(started), *sections]))
    say(f"written: {report}")


def run(bootstrap: str, scratch: Path, parts: Collection[str], sizes: Sizes) -> list[str]:
    """The chosen parts, one after the other: the sections of the report.

    Errors: LapFailed when a result is wrong or an engine broke.
    """
    sections = []
    if "race" in parts:
        raced = race(bootstrap, scratch, events=sizes.events, short_events=sizes.short_events, repeats=sizes.repeats)
        sections.append(race_section(raced))
    if "latency" in parts:
        sections.append(latency_section(latency(bootstrap, scratch, probes=sizes.probes, load=sizes.load)))
    if "gate" in parts:
        size = {"entries": sizes.entries, "questions": sizes.questions, "repeats": sizes.repeats}
        sections.append(gate_section(*gate(bootstrap, scratch, **size)))
    if "scrub" in parts:
        sections.append(scrub_section([lap(sizes.entries, sizes.addresses) for _ in range(sizes.repeats)]))
    if "edge" in parts:
        told = laps(bootstrap, scratch, seconds=sizes.edge_seconds, repeats=sizes.repeats, connections=64)
        sections.append(edge_section(told))
    if "growth" in parts:
        grown = growth(bootstrap, scratch, events=sizes.growth_events, people=sizes.people, repeats=sizes.repeats)
        sections.append(growth_section(grown))
    if not {"product", "restore"} & set(parts):
        return sections
    entered = courses(
        bootstrap,
        scratch,
        events=sizes.product_events,
        people=sizes.product_events // 2,
        short_events=sizes.product_short_events,
    )
    if "product" in parts:
        sections.append(product_section(product(entered, scratch, repeats=sizes.repeats), PARTITIONS))
        profiler = Profiler(scratch / "profile.raw")
        profiled = run_lap(entered[0], scratch, profiler.attach)
        sections.append(profile_section(stage_costs(profiler.stacks(), profiled.events), profiled))
    if "restore" in parts:
        rows = [encode_registers(reg) for reg in islice(entered[0].given.registers.values(), 5_000)]
        restored = restore(bootstrap, scratch, rows, keys=sizes.keys, repeats=sizes.repeats)
        sections.append(restore_section(restored, PARTITIONS))
    return sections


def _head(started: datetime) -> list[str]:
    words = ["python", "-m", "benchmarks.run", *sys.argv[1:]]
    minutes = (datetime.now(UTC) - started).total_seconds() / 60
    return [
        "# Results",
        "",
        "Written by the run itself; `README.md` says what is measured and how.",
        "",
        *machine_lines(),
        f"- command: `{shlex.join(words)}`, {started:%Y-%m-%d %H:%M} UTC, {minutes:.1f} minutes",
        "",
    ]


if __name__ == "__main__":
    main()
