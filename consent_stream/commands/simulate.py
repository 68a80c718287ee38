"""`consent-stream simulate`: scenario files without a broker, or through a worker on a real Kafka."""

import json
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import click
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from consent_stream.scenario import Scenario, ScenarioError, read_scenarios
from consent_stream.simulate import Report, run, said
from consent_stream.topics import TopicAdmin, Unreachable

Runner = Callable[[Sequence[Scenario]], Generator[Report, None, None]]


class NotRun(click.ClickException):
    """Nothing can be said about the law."""

    exit_code = 2


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a scenario, a line each.")
@click.option("--through", metavar="HOST:PORT", help="Send them through a worker on this Kafka, and ask a gate.")
def command(files: tuple[Path, ...], as_json: bool, through: str | None) -> int:
    """Run scenario files through the same code as the worker, and compare every answer with the one expected.

    With --through each scenario gets topics of its own (sim-…, gone afterwards) and a worker process; the events carry
    their `received` as append time. Quarantine and state are compared too. Of `"orders": "all"` two are sent: the one
    given, and all events backwards and twice. The link to Kafka is secured by the usual CONSENT_ variables.

    Exit 0 when all hold, 1 when one does not, 2 when a file is malformed or Kafka does not answer.

    \b
    consent-stream simulate late-withdrawal.json
    consent-stream simulate scenarios/*.json --json | jq .state_digest
    consent-stream simulate scenarios/*.json --through 127.0.0.1:9092
    """
    # All files are read before the first is run: a mistake in the last one should not cost the time of the others.
    scenarios = [(file, scenario) for file in files for scenario in _read(file)]
    if through is None:
        reports = _run_and_show(scenarios, lambda found: (run(each) for each in found), as_json)
    else:
        reports = _run_through(through, scenarios, as_json)
    broken = [report for report in reports if not report.held]
    if not as_json:
        _summary(reports, len(broken), len(scenarios) - len(reports))
    return 1 if broken else 0


def _run_through(bootstrap: str, scenarios: list[tuple[Path, Scenario]], as_json: bool) -> list[Report]:
    from consent_stream.through import reach, run_all, why_unsendable

    settings = reach(bootstrap, os.environ)
    sendable = []
    for file, scenario in scenarios:
        if (why := why_unsendable(scenario)) is None:
            sendable.append((file, scenario))
        else:
            click.echo(f"{file}: {scenario.name}: not sent: {why}", err=True)
    if not sendable:
        raise NotRun("no scenario can be sent through Kafka")
    try:
        if TopicAdmin(settings).read().embedded:
            raise NotRun(f"{bootstrap} is the embedded broker, which takes no topic settings: see `dev kafka`")
        with _sigterm_like_ctrl_c():
            return _run_and_show(sendable, lambda found: run_all(found, settings), as_json)
    except Unreachable as error:
        raise NotRun(str(error)) from error
    except KafkaException as error:
        raise NotRun(f"Kafka refused: {error.args[0].str()}") from error


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """Topics and workers are cleared away then too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _read(file: Path) -> list[Scenario]:
    try:
        return read_scenarios(file)
    except ScenarioError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None


def _run_and_show(scenarios: list[tuple[Path, Scenario]], runner: Runner, as_json: bool) -> list[Report]:
    """Run them; a bar shows where a terminal does not already show the lines."""
    hidden = len(scenarios) < 2 or sys.stdout.isatty() or not sys.stderr.isatty()
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as progress,
        closing(runner([scenario for _, scenario in scenarios])) as found,
    ):
        reports = progress.track(found, total=len(scenarios))
        return [_show(file, report, as_json) for (file, _), report in zip(scenarios, reports, strict=True)]


def _show(file: Path, report: Report, as_json: bool) -> Report:
    if as_json:
        results = [{"allow": answer.allow, "reasons": list(answer.reasons)} for answer in report.answers]
        shown = {"name": report.name, "results": results, "quarantined": report.quarantined}
        click.echo(json.dumps(shown | {"state_digest": report.state_digest}))
        for fault in report.faults:
            click.echo(f"{file}: {report.name}: {fault}", err=True)
        return report
    click.echo(f"{click.style(report.name, bold=True)}  {file.name}, {_counted(report.orders, 'order')}")
    # A run through Kafka that broke off has no answers, but a fault.
    for answer, asked in zip(report.answers, report.scenario.expect, strict=False):
        if answer == (asked.allow, asked.reasons):
            click.echo(f"  {click.style('ok', fg='green')}    {asked}: {said(answer)}")
    for fault in report.faults:
        click.echo(f"  {click.style('FAIL', fg='red', bold=True)}  {fault}")
    return report


def _summary(reports: Iterable[Report], broken: int, unsent: int) -> None:
    reports = list(reports)
    expectations = sum(len(report.answers) for report in reports)
    counts = (_counted(len(reports), "scenario"), _counted(expectations, "expectation"))
    ran = f"{', '.join(counts)}, {_counted(sum(report.orders for report in reports), 'order')}"
    if broken:
        click.secho(f"{_counted(broken, 'scenario')} broken of {ran}", fg="red", bold=True)
    else:
        click.secho(f"all hold: {ran}", fg="green", bold=True)
    if unsent:
        click.echo(f"{_counted(unsent, 'scenario')} not sent through Kafka, as told above")


def _counted(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n:,} {word}s"
