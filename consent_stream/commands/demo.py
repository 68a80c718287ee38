"""`consent-stream demo`: the whole story on the embedded broker."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec

import click
from confluent_kafka import KafkaException

from consent_stream.dev.errors import DevError


@click.command()
@click.option("--stay", is_flag=True, help="Print the link of a preference page at the end, and run on until Enter.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, for scripts.")
def command(stay: bool, as_json: bool) -> None:
    """The whole story in about a minute: no Java, no Docker; ends by itself with exit 0.

    An embedded broker, a worker, an edge, two mailers with gates, a stream of events. Whatever is shown is checked:
    exit 1 if one thing is not as told. Every process is stopped at the end, also on Ctrl-C and SIGTERM.

    \b
    consent-stream demo
    consent-stream demo --json | grep enforced_ms
    """
    for library in ("faust", "aiohttp"):  # of processes of their own, which would say it less plainly
        if find_spec(library) is None:
            raise ModuleNotFoundError(library, name=library)
    from consent_stream.dev.demo.mailers import NotAsTold
    from consent_stream.dev.demo.run import run_demo
    from consent_stream.dev.demo.screen import choose_screen

    # All as Ctrl-C, and that one too, for a shell's background jobs ignore it: what was started is stopped in order.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.default_int_handler)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ✓ shows ?
    if stay and not sys.stdin.isatty():
        raise click.UsageError("--stay: nobody is here to press Enter")
    screen = choose_screen(as_json)
    try:
        run_demo(screen, _stay if stay else None)
    except (NotAsTold, DevError, KafkaException) as error:
        screen.say(f"NOT AS TOLD: {error}", good=False)
        raise click.ClickException(f"demo: {error}") from error


def _stay(link: str) -> None:
    click.echo(f"Ana's preferences: {link}")
    click.prompt("Enter ends it", default="", show_default=False, prompt_suffix=" ")
