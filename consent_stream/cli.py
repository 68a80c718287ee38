"""The command line: a table of commands, each loaded when it is called.

A core install has no Faust, and `--help` must be quick, so a command's module is imported only when the command runs.
Every module in the table holds a click command named `command`.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from consent_stream import __version__
from consent_stream.keyfile import KeyFileError
from consent_stream.logs import as_json
from consent_stream.settings import SettingsError

log = logging.getLogger(__name__)

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "The whole story on the embedded broker; ends by itself."),
    "dev": ("dev", "Brokers for a laptop: `dev kafka`, `dev broker`."),
    "keys": ("keys", "Key files: `keys new`, `keys rotate`, `keys derive`."),
    "topics": ("topics", "Make or compare the topics: `topics apply`, `topics diff`."),
    "acls": ("acls", "The least that each process must be allowed in Kafka."),
    "worker": ("worker", "The processor: events in, suppression lists out."),
    "compare": ("compare", "Are two generations of state and lists the same, and where not."),
    "activate": ("activate", "Which generation's lists the gates obey."),
    "rebuild": ("rebuild", "Make state and lists anew beside the live ones, from the ledger."),
    "what-if": ("what_if", "Who would be answered otherwise under another policy."),
    "publish": ("publish", "Send events, one a line, and print their receipts."),
    "import": ("import_", "Lists that you have, as events: suppressions, bounces, complaints, subscribers."),
    "void-batch": ("void_batch", "Take back what an imported file permitted."),
    "undo-bounces": ("undo_bounces", "Make up for bounces that were none, after a provider's outage."),
    "check": ("check", "Ask a gate whether one person may be mailed."),
    "explain": ("explain", "Why a gate answers as it does."),
    "scrub": ("scrub", "Clean a list before it is mailed."),
    "gate": ("gate", "Gates as processes of their own."),
    "edge": ("edge", "Where people say no, and yes: links, pages, providers, forms."),
    "token": ("token", "Signed links for mails: unsubscribe, preferences."),
    "barrier": ("barrier", "Is an accepted event enforced at every gate, and which lag."),
    "stop-sending": ("stop_sending", "The kill switch: every gate denies."),
    "resume": ("resume", "Take back what stop-sending stopped."),
    "stops": ("stops", "Which kill switches are on, and who turned them."),
    "tail": ("tail", "What changes, as it happens: lists, facts, sends, quarantine."),
    "export": ("export", "Topics as Parquet files for analysts, row for row."),
    "canary": ("canary", "Is a withdrawal enforced at every gate, and how soon: tried once a minute."),
    "console": ("console", "How everything stands, in a browser: flow, gates, opt-outs, one person, quarantine."),
    "inspect": ("inspect", "All that is known of one person: registers, lists, what happened."),
    "stats": ("stats", "How many stand how on the lists now, and how many changed."),
    "why": ("why", "Why somebody may be sent something, or not: event, fact, list, gates, messages."),
    "quarantine": ("quarantine", "What was not understood: list it, show it, put it back, be done with it."),
    "report": ("report", "Counts of a month that single nobody out."),
    "late-sends": ("late_sends", "Messages handed over after their withdrawal could be obeyed."),
    "simulate": ("simulate", "Run scenario files without a broker."),
}
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "metrics": ("prometheus_client",),
    "worker": ("faust", "mode", "aiokafka", "rocksdict"),
    "edge": ("aiohttp", "aiosmtpd", "jinja2"),
    "parquet": ("pyarrow",),
    "otel": ("opentelemetry",),
}


class TableGroup(click.Group):
    """Commands from a table: name → (module below `package` with a click command named `command`, one line of help)."""

    package: str
    table: Mapping[str, tuple[str, str]]
    default: str | None = None  # the command that is meant where none is named

    def named(self, args: Sequence[str]) -> list[str]:
        """Arguments that name a command, the default one where they name none."""
        unnamed = not args or (args[0].startswith("-") and args[0] not in ("-h", "--help", "--version"))
        return [self.default, *args] if self.default is not None and unnamed else list(args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.named(args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _ = self.table[cmd_name]
        command = import_module(f"{self.package}.{module}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table alone: help must not import every module.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


class LazyGroup(TableGroup):
    """The commands of `consent_stream.commands`, and how all of them end."""

    package, table = "consent_stream.commands", COMMANDS

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Click's own, but what is wrong with a command line or a setting is one line and exit 2: scripts read it."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except (click.UsageError, SettingsError, KeyFileError) as error:
            text = error.format_message() if isinstance(error, click.UsageError) else str(error)
            sys.exit(_said(text, 2))
        except click.ClickException as error:
            sys.exit(_said(error.format_message(), error.exit_code))
        except ModuleNotFoundError as error:  # when a command is loaded, or when it runs and imports more
            sys.exit(_said(_what_is_missing(error), 2))
        except click.Abort:  # Ctrl-C
            sys.exit(130)
        except BrokenPipeError:  # whoever read our output has seen enough, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        sys.exit(code if isinstance(code, int) else 0)


def _what_is_missing(error: ModuleNotFoundError) -> str:
    name = (error.name or "").partition(".")[0]
    for extra, libraries in EXTRAS.items():
        if name in libraries:
            return f"this needs the {extra} extra ({name} is not installed): pip install 'consent-stream[{extra}]'"
    raise error


def _said(text: str, code: int) -> int:
    line = " ".join(text.split())
    if as_json():
        log.error(line, extra={"exit": code})
    else:
        click.echo(f"consent-stream: {line}", err=True)
    return code


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="consent-stream")
def main() -> None:
    """Consent events in, suppression lists out, a gate that mailers obey.

    Settings come from flags, else from the environment (CONSENT_BOOTSTRAP, CONSENT_KEYS, …), else defaults.

    \b
    Try it:
      consent-stream demo
      consent-stream dev kafka                        # a real Kafka, prints `ready HOST:PORT`
      consent-stream keys new keys.toml
      consent-stream topics apply --bootstrap HOST:PORT
      consent-stream publish events.jsonl --bootstrap HOST:PORT
      consent-stream check --tenant acme --email ana@example.com --scope news
    """
