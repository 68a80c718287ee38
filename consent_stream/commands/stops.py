"""`consent-stream stops`: which kill switches are on, and who turned them when."""

from __future__ import annotations

import json
from typing import Any

import click
import orjson
from rich.table import Table

from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import clock, console, plain
from consent_stream.commands.switching import switches, words
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings


@click.command()
@click.option("--history", is_flag=True, help="All that consent.audit holds of them, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@settings_options()
def command(settings: Settings, history: bool, as_json: bool) -> int:
    """List the kill switches that are on. Exit 0: none, 1: some (with --history always 0), 2: no answer.

    \b
    consent-stream stops
    consent-stream stops --history --json
    """
    rows = _history(settings) if history else _on(settings)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif not rows:
        click.echo("nothing is stopped" if not history else "nothing was ever stopped")
    else:
        _print(rows)
    return 1 if rows and not history else 0


def _on(settings: Settings) -> list[dict[str, Any]]:
    return [
        {"action": "sending.stopped", "tenant": tenant, "channel": channel, **stop._asdict()}
        for (tenant, channel), stop in sorted(switches(settings).items())
        if stop.stopped
    ]


def _history(settings: Settings) -> list[dict[str, Any]]:
    from consent_stream.inspection.topicread import Unread, read
    from consent_stream.wire.topics import AUDIT

    rows = []
    try:
        for batch in read(settings, AUDIT):
            for message in batch:
                row = _turned(message.value() or b"")
                if row is not None:
                    rows.append(row)
    except Unread as error:
        raise Unanswered(str(error)) from error
    return rows


def _turned(value: bytes) -> dict[str, Any] | None:
    """The turn of a switch that a record of the audit tells of; None when it tells of something else."""
    try:
        row = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or row.get("action") not in ("sending.stopped", "sending.resumed"):
        return None
    texts = all(isinstance(row.get(name), str) for name in ("tenant", "channel", "by", "reason"))
    return row if texts and type(row.get("at")) is int else None


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table("when", "what", "of", "by", "why", box=None, pad_edge=False)
    for row in rows:
        of = words((row["tenant"], row["channel"]))
        cells = (clock(row["at"]), row["action"].removeprefix("sending."), of, row["by"], row["reason"])
        table.add_row(*map(plain, cells))
    console().print(table)
