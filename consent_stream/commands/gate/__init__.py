"""`consent-stream gate …`: gates as processes of their own. A table, as in `cli.py`: help imports none of them."""

from collections.abc import Mapping

import click

from consent_stream.cli import TableGroup

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "follow": ("follow", "Keep the list of a channel in a directory, for all gates of a host."),
    "serve": ("serve", "Answers over HTTP, for programs in other languages."),
}


class _Group(TableGroup):
    package, table = "consent_stream.commands.gate", SUBCOMMANDS


@click.command(cls=_Group)
def command() -> None:
    """Gates as processes of their own: for programs that cannot, or should not, hold one themselves."""
