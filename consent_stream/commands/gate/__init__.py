"""`consent-stream gate …`: gates as processes of their own. A table, as in `cli.py`: help imports none of them."""

from collections.abc import Mapping
from importlib import import_module

import click

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "follow": ("follow", "Keep the list of a channel in a directory, for all gates of a host."),
    "serve": ("serve", "Answers over HTTP, for programs in other languages."),
}


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _ = SUBCOMMANDS[cmd_name]
        command = import_module(f"consent_stream.commands.gate.{module}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in SUBCOMMANDS.items()])


@click.command(cls=_Group)
def command() -> None:
    """Gates as processes of their own: for programs that cannot, or should not, hold one themselves."""
