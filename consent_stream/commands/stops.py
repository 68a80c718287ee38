"""`consent-stream stops`: which kill switches are on, and who turned them when."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
import orjson
from rich.table import Table

from consent_stream.commands.barrier import Unanswered
from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import console
from consent_stream.commands.switching import switches, words
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
                try:
                    row = orjson.loads(message.value() or b"")
                except orjson.JSONDecodeError:
                    continue  # not of ours
                if isinstance(row, dict) and str(row.get("action", "")).startswith("sending."):
                    rows.append(row)
    except Unread as error:
        raise Unanswered(str(error)) from error
    return rows


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table("when", "what", "of", "by", "why", box=None, pad_edge=False)
    for row in rows:
        at = datetime.fromtimestamp(row["at"] / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        of = words((row["tenant"], row["channel"]))
        table.add_row(at, row["action"].removeprefix("sending."), of, row["by"], row["reason"])
    console().print(table)
