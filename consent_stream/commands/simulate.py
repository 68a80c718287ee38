"""`consent-stream simulate`: scenario files without a broker."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from consent_stream.scenario import Scenario, ScenarioError, read_scenarios
from consent_stream.simulate import Report, run, said


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a scenario, a line each.")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Run scenario files through the same code as the worker, and compare every answer with the one expected.

    Exit 0 when all hold, 1 when one does not, 2 when a file is malformed.

    \b
    consent-stream simulate late-withdrawal.json
    consent-stream simulate scenarios/*.json --json | jq .state_digest
    """
    # All files are read before the first is run: a mistake in the last one should not cost the time of the others.
    scenarios = [(file, scenario) for file in files for scenario in _read(file)]
    reports = [_show(file, report, as_json) for file, report in _with_bar(scenarios)]
    broken = [report for report in reports if not report.held]
    if not as_json:
        _summary(reports, len(broken))
    return 1 if broken else 0


def _read(file: Path) -> list[Scenario]:
    try:
        return read_scenarios(file)
    except ScenarioError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None


def _with_bar(scenarios: list[tuple[Path, Scenario]]) -> Iterator[tuple[Path, Report]]:
    """Run them; a bar shows where a terminal does not already show the lines."""
    hidden = len(scenarios) < 2 or sys.stdout.isatty() or not sys.stderr.isatty()
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as progress:
        for file, scenario in progress.track(scenarios):
            yield file, run(scenario)


def _show(file: Path, report: Report, as_json: bool) -> Report:
    if as_json:
        results = [{"allow": answer.allow, "reasons": list(answer.reasons)} for answer in report.answers]
        shown = {"name": report.name, "results": results, "quarantined": report.quarantined}
        click.echo(json.dumps(shown | {"state_digest": report.state_digest}))
        for fault in report.faults:
            click.echo(f"{file}: {report.name}: {fault}", err=True)
        return report
    click.echo(f"{click.style(report.name, bold=True)}  {file.name}, {_counted(report.orders, 'order')}")
    for answer, asked in zip(report.answers, report.scenario.expect, strict=True):
        if answer == (asked.allow, asked.reasons):
            click.echo(f"  {click.style('ok', fg='green')}    {asked}: {said(answer)}")
    for fault in report.faults:
        click.echo(f"  {click.style('FAIL', fg='red', bold=True)}  {fault}")
    return report


def _summary(reports: Iterable[Report], broken: int) -> None:
    reports = list(reports)
    expectations = sum(len(report.answers) for report in reports)
    counts = (_counted(len(reports), "scenario"), _counted(expectations, "expectation"))
    ran = f"{', '.join(counts)}, {_counted(sum(report.orders for report in reports), 'order')}"
    if broken:
        click.secho(f"{_counted(broken, 'scenario')} broken of {ran}", fg="red", bold=True)
    else:
        click.secho(f"all hold: {ran}", fg="green", bold=True)


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n:,} {word}s"
