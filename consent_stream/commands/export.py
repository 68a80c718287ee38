"""`consent-stream export`: topics as Parquet files for analysts, row for row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from consent_stream.commands.instants import instant_given
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.stopping import asked_to_stop
from consent_stream.commands.unanswered import Unanswered, answering
from consent_stream.settings import Settings
from consent_stream.topics import active_generation

if TYPE_CHECKING:
    from consent_stream.analytics.export import Export

NAMES = ("changes", "sends", "ledger", "quarantine")
UNREADABLE = 3  # exit: all is exported, and some records can be read by another version alone
REST_S = 1.0  # between two looks at topics that say nothing
Stopped = Callable[[], int]


@click.command()
@click.option("--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="The directory.")
@click.option(
    "--topic",
    "names",
    multiple=True,
    type=click.Choice(NAMES),
    help="Which; may be repeated. Default: changes.",
)
@click.option("--since", metavar="TIME", help="Begin at records that are not older (RFC 3339). Default: all there are.")
@click.option("--until", metavar="TIME", help="End before the first record that is not older. Default: the end.")
@click.option("--follow", is_flag=True, help="Go on until stopped.")
@click.option(
    "--every", type=Seconds(), default=300.0, show_default=True, help="Seconds between two files, with --follow."
)
@settings_options()
def command(
    settings: Settings,
    folder: Path,
    names: tuple[str, ...],
    since: str | None,
    until: str | None,
    follow: bool,
    every: float,
) -> int:
    """Write topics as Parquet files under DIR/topic=…/date=…, one row a record, and go on where the last export ended.

    No row is lost or doubled, whatever is killed when. People are subject keys in hex; there is no address. `ledger` is
    without birth dates, `quarantine` without the records themselves (code, stage, place and size alone).

    Exit 0. 3: some records can be read by another version alone; their places are in DIR/unreadable=…. 2: a wrong
    argument, no Kafka, a full disk, another export at work, records that the topic no longer has, or a topic that was
    made anew.

    \b
    consent-stream export --to lake
    consent-stream export --to lake --topic changes --topic sends --follow
    """
    from consent_stream.analytics.archive import ArchiveFault, locked
    from consent_stream.analytics.export import Window, exports
    from consent_stream.analytics.tables import table_of

    if follow and until is not None:
        raise click.UsageError("--until: an export that follows has no end")
    window = Window(instant_given(since, "--since"), instant_given(until, "--until"), follow)
    if window.since is not None and window.until is not None and window.since >= window.until:
        raise click.UsageError("--since is not before --until: there is nothing in between")
    tables = [table_of(name) for name in dict.fromkeys(names or NAMES[:1])]
    try:
        with (
            answering(),
            locked(folder),
            asked_to_stop() as stopped,
            exports(settings, tables, active_generation(settings), folder, window) as found,
        ):
            code = _follow(found, every, stopped) if follow else _finish(found, stopped)
            return code or _tell(found)
    except ArchiveFault as error:
        raise Unanswered(str(error)) from error
    except OSError as error:
        raise Unanswered(f"{error.filename or folder}: {error.strerror or error}") from error


def _finish(found: list[Export], stopped: Stopped) -> int:
    with _bar(found) as seen:
        for export in found:
            while not export.tail.done and not stopped():
                export.read()
                if export.full:
                    export.commit()
                seen(export)
            export.commit()
    return stopped()


def _follow(found: list[Export], every: float, stopped: Stopped) -> int:
    """Until somebody stops it, which is no fault."""
    while not stopped():
        quiet = not sum(export.read() for export in found)
        for export in found:
            if export.full or time.monotonic() - export.at >= every:
                export.commit()
        if quiet:
            time.sleep(min(REST_S, every))
    for export in found:
        export.commit()
    return 0


@contextmanager
def _bar(found: list[Export]) -> Iterator[Callable[[Export], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks = {id(each): progress.add_task(each.table.name, total=each.tail.total) for each in found}
        yield lambda each: progress.update(tasks[id(each)], completed=each.tail.total - each.tail.left)


def _tell(found: list[Export]) -> int:
    for each in found:
        said = each.committed
        more = f", {said.unreadable:,} unreadable" if said.unreadable else ""
        click.echo(f"{said.name}: {each.added:,} rows more, {said.rows:,} in all{more}", err=True)
    return UNREADABLE if any(each.committed.unreadable for each in found) else 0
