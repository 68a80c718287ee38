"""`python -m benchmarks.run`: every benchmark on one real Kafka, results into RESULTS.md.

Exit 0 when every result is right, whatever its time; 1 when a result is wrong or an engine broke.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.environments import ROOT, say
from benchmarks.lap_timing import LapFailed
from benchmarks.machine import machine_lines
from benchmarks.race import race
from benchmarks.race_report import race_section
from consent_stream.dev.errors import DevError
from consent_stream.dev.kafka import LocalKafka


@click.command()
@click.option("--events", default=200_000, show_default=True, help="P1: events of a lap.")
@click.option("--short-events", default=20_000, show_default=True, help="P1: events of a lap of a slow rival.")
@click.option("--repeats", default=5, show_default=True, help="P1: laps of every rival.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), default=ROOT / "benchmarks" / "RESULTS.md")
def main(events: int, short_events: int, repeats: int, report: Path) -> None:
    """Run the benchmarks and write the report."""
    started = datetime.now(UTC)
    sections = []
    try:
        with (
            tempfile.TemporaryDirectory(prefix="consent-bench-") as scratch,
            LocalKafka(jar_set="tools", say=say) as kafka,
        ):
            laps = race(kafka.bootstrap, Path(scratch), events=events, short_events=short_events, repeats=repeats)
            sections.append(race_section(laps))
    except (LapFailed, DevError) as problem:
        say(f"FAILED: {problem}")
        sys.exit(1)
    report.write_text("\n".join([*_head(started), *sections]))
    say(f"written: {report}")


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
