"""`consent-stream late-sends`: messages that were handed over after their withdrawal could be obeyed."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from consent_stream.commands.bars import reading_bars
from consent_stream.commands.instants import Instant
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.screen import console, plain
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings

LISTS = ("email", "sms", "sharing")
MOST_SHOWN = 200  # rows of the table for people


@click.command()
@click.option(
    "--since", type=Instant(), help="Handed over at or after it: RFC 3339, or 24h ago. Default: all there are."
)
@click.option("--until", type=Instant(), help="Handed over before it. Default: now.")
@click.option("--tenant", help="Of this tenant alone.")
@click.option("--channel", type=click.Choice(LISTS), help="Of this list alone.")
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to wait for the workers in.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a message, then one with the summary.")
@click.option(
    "--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Write figures there, for node_exporter to read."
)
@settings_options()
def command(
    settings: Settings,
    since: int | None,
    until: int | None,
    tenant: str | None,
    channel: str | None,
    timeout: float,
    as_json: bool,
    metrics: Path | None,
) -> int:
    """List messages that a mailer handed over although a withdrawal accepted before forbade it, and by how much.

    Reads consent.sends and consent.ledger once, up to their ends, and decides again for each message, at the instant of
    its hand-over, on the facts accepted by then. Messages that nothing ever permitted are listed too, without a delay.

    Exit 0: none. 1: some. 2: no whole answer (no Kafka, no worker, messages too new to be judged, unreadable records).

    \b
    consent-stream late-sends --since 2026-03-01T00:00:00Z
    consent-stream late-sends --tenant acme --channel email --json
    consent-stream late-sends --since 24h --metrics /var/lib/prometheus/node-exporter/late-sends.prom
    """
    from consent_stream.inspection.evidence import Evidence
    from consent_stream.inspection.lateness import Window, find_late, summary
    from consent_stream.inspection.topicread import Unread

    window = Window(since, until, tenant, channel)
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until: there is nothing in between")
    with closing(Evidence()) as evidence:
        try:
            with reading_bars() as tell:
                report = find_late(settings, window, evidence, seconds=timeout, tell=tell)
        except Unread as error:
            raise Unanswered(str(error)) from error
        except sqlite3.Error as error:  # no room, as a rule; it must not end like a list of late messages
            raise Unanswered(f"the temporary file (SQLITE_TMPDIR, TMPDIR): {error}") from error
        told, found = summary(report, evidence), report.total
        (_print_json if as_json else _print_tables)(evidence.lines(), told)
    if metrics is not None:
        _write(metrics, told, since)
    if found.late or found.unpermitted:
        return 1
    if not report.whole:
        raise Unanswered(_lacking(told))
    return 0


def _write(path: Path, told: Mapping[str, Any], since: int | None) -> None:
    from consent_stream.monitoring.textfile import late_sends_text, place

    try:
        place(path, late_sends_text(told, since, time.time_ns() // 1000))
    except OSError as error:
        raise Unanswered(f"--metrics {path}: {error.strerror or error}") from error


def _lacking(told: dict[str, Any]) -> str:
    if told["unreadable"]:
        return f"{told['unreadable']} records cannot be read by this version: a withdrawal may be among them"
    through = _time(told["judged_through"]) if told["judged_through"] else "never"
    return (
        f"{told['unjudged']} messages are not judged: what was accepted is worked off until {through}; is a worker up?"
    )


def _print_json(lines: Iterator[dict[str, Any]], told: dict[str, Any]) -> None:
    for line in lines:
        click.echo(json.dumps(line))
    click.echo(json.dumps({"summary": told}))


def _print_tables(lines: Iterator[dict[str, Any]], told: dict[str, Any]) -> None:
    screen = console()
    shown = list(islice(lines, MOST_SHOWN))
    if shown:
        screen.print(_messages(shown))
    left = told["late"] + told["without_permission"] - len(shown)
    if left:
        screen.print(f"… and {left} more: --json lists all")
    screen.print(_senders(told))
    outcomes = ", ".join(f"{name} {count}" for name, count in told["outcomes"].items()) or "none"
    screen.print(f"records: {outcomes}; handed over without saying when: {told['unsaid']}")
    if told["unjudged"] or told["unreadable"]:
        screen.print(_lacking(told), style="yellow")


def _messages(shown: list[dict[str, Any]]) -> Table:
    table = Table(
        "handed over", "late", "tenant", "list", "sender", "message", "after", "event", box=None, pad_edge=False
    )
    for line in shown:
        late = "no permission" if line["late_ms"] is None else f"{line['late_ms']:.1f} ms"
        after = line["kind"] or ", ".join(line["reasons"])
        where = (line["tenant"], line["channel"], line["sender"], line["message_id"])
        table.add_row(*map(plain, (_time(line["handed_over_at"]), late, *where, after, line["event"] or "")))
    return table


def _senders(told: dict[str, Any]) -> Table:
    table = Table(
        "sender", "sent", "late", "share", "p50 ms", "p99 ms", "max ms", "no permission", box=None, pad_edge=False
    )
    for name, row in (*told["senders"].items(), ("all", told)):
        delays = ["-" if row[each] is None else f"{row[each]:.1f}" for each in ("p50_ms", "p99_ms", "max_ms")]
        counts = (str(row["sent"]), str(row["late"]), f"{row['late_share']:.4%}")
        table.add_row(plain(name), *counts, *delays, str(row["without_permission"]))
    return table


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
