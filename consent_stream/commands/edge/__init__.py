"""`consent-stream edge`: serves; and what goes with it as subcommands. A table, as in `cli.py`."""

from collections.abc import Mapping

import click

from consent_stream.cli import TableGroup

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("serve", "Take what people and providers say, over HTTP. What `edge` alone does."),
    "list": ("list", "Which edges the lists wait for."),
    "suspects": ("suspects", "Clicks that look like a scanner's; take back what they permitted."),
    "forget": ("forget", "Wait no longer for an edge that will not come back."),
}


class _Group(TableGroup):
    package, table, default = "consent_stream.commands.edge", SUBCOMMANDS, "serve"


@click.command(cls=_Group)
def command() -> None:
    """Where people say no, and yes: unsubscribe links, preference pages, providers, forms. Alone it is `edge serve`."""
