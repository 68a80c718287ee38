"""`consent-stream quarantine`: what was not understood. A table, as in `cli.py`."""

from collections.abc import Mapping

import click

from consent_stream.cli import TableGroup

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "list": ("list", "How many, by code, and where each lies. What `quarantine` alone does."),
    "show": ("show", "One record: why it is there, and its shape or its bytes."),
    "replay": ("replay", "Put records back to where they came from, byte for byte."),
    "drop": ("drop", "Mark records as done with. They stay for their 90 days."),
}


class _Group(TableGroup):
    package, table, default = "consent_stream.commands.quarantine", SUBCOMMANDS, "list"


@click.command(cls=_Group)
def command() -> None:
    """Records that were not understood, and what became of them. Alone it is `quarantine list`."""
