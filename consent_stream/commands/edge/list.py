"""`consent-stream edge list`: which edges the lists wait for."""

from __future__ import annotations

import json

import click
from rich.table import Table

from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import clock, console
from consent_stream.commands.switching import now
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@settings_options()
def command(settings: Settings, as_json: bool) -> None:
    """List the edges that have not ended, and how old their word is: the lists are as old at least.

    \b
    consent-stream edge list
    """
    from consent_stream.inspection.edges import live_edges
    from consent_stream.inspection.topicread import Unread

    try:
        found = live_edges(settings)
    except Unread as error:
        raise Unanswered(str(error)) from error
    at = now()
    ages = {each.id: round(max(0, at - each.through) / 1e6, 1) for each in found}
    if as_json:
        for each in found:
            click.echo(json.dumps({"id": each.id, "through": each.through, "age_s": ages[each.id]}))
    elif not found:
        click.echo("no edge")
    else:
        table = Table("edge", "all that it took is in Kafka up to", "behind", box=None, pad_edge=False)
        for each in found:
            table.add_row(each.id, clock(each.through), f"{ages[each.id]:.1f} s")
        console().print(table)
