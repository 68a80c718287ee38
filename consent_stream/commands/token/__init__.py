"""`consent-stream token …`: signed links. A table, as in `cli.py`."""

from collections.abc import Mapping

import click

from consent_stream.cli import TableGroup

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "new": ("new", "The link of one message, and its headers."),
}


class _Group(TableGroup):
    package, table = "consent_stream.commands.token", SUBCOMMANDS


@click.command(cls=_Group)
def command() -> None:
    """Signed links, by which people say no without logging in."""
