"""`consent-stream gate follow`: the one process of a host that follows Kafka, for all gates that read its store."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consent_stream.commands.options import settings_options
from consent_stream.commands.serving import complain, serving_metrics
from consent_stream.commands.tracing import tracing
from consent_stream.gate import Gate, ReplicaFault
from consent_stream.logs import log_to_stderr
from consent_stream.settings import Settings

log = logging.getLogger(__name__)
LISTS = ("email", "sms", "sharing")
GLANCE = 0.1  # seconds between two looks at how it is getting on


class Unusable(click.ClickException):
    """The directory is none, or another process follows into it."""

    exit_code = 2


@click.command()
@click.option(
    "--store", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory that the gates read."
)
@click.option("--channel", type=click.Choice(LISTS), default="email", show_default=True, help="Which list.")
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    envvar="CONSENT_METRICS",
    show_envvar=True,
    help="Serve Prometheus metrics there, /readyz and /livez; on loopback without HOST. Default: nowhere.",
)
@click.option("--status", is_flag=True, help="Say as JSON how the store stands, and end. Exit 0 when fresh, else 1.")
@settings_options("log_format")
def command(settings: Settings, store: Path, channel: str, metrics: str | None, status: bool) -> int:
    """Keep the list of one channel in a directory, which any number of gates on this host read (follow=False).

    Prints `ready` when the list is read and fresh. Tells on stderr what is wrong, one line each time that changes, and
    goes on; the gates deny `stale` meanwhile. Ends with exit 0 on SIGTERM or Ctrl-C; the next start goes on from there.

    \b
    consent-stream gate follow --store /var/lib/consent/email --channel email
    consent-stream gate follow --store /var/lib/consent/email --status
    """
    log_to_stderr("gate", settings.log_format)
    try:
        with (
            _until_stopped() as stop,
            tracing(settings, "gate") as traces,
            Gate(settings, channel=channel, store=store, follow=not status, traces=traces) as gate,
        ):
            if not status:
                if metrics:
                    _serve(metrics, channel, gate)
                _follow(gate, stop)
                return 0
            found = gate.status()
            click.echo(json.dumps({**vars(found), "alarms": dict(found.alarms)}))
            return 0 if found.ready else 1
    except ReplicaFault as fault:
        raise Unusable(str(fault)) from fault


def _serve(where: str, channel: str, gate: Gate) -> None:
    from prometheus_client import CollectorRegistry, ProcessCollector  # the metrics extra

    from consent_stream.monitoring import exposition
    from consent_stream.monitoring.gates import Standing

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Standing({channel: gate}))

    def probe(path: str) -> tuple[str, str]:
        found = gate.status()
        if path == "/livez" or found.ready:
            return "200 OK", path.removeprefix("/").removesuffix("z")
        return "503 Service Unavailable", found.trouble or found.phase

    serving_metrics(where, lambda host, port: exposition.serve(host, port, registry, probe))


def _follow(gate: Gate, stop: threading.Event) -> None:
    said, told, console = False, None, Console(stderr=True)
    columns = (TextColumn("reading the list"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        while not stop.wait(GLANCE):
            found = gate.status()
            if found.ready and not said:
                said = True
                bar.stop()
                click.echo("ready")
            elif not said:
                taken, ahead = gate.progress()
                bar.update(task, completed=min(taken, ahead), total=ahead or None)
            if found.trouble != told and found.phase != "catching up":
                told = found.trouble
                complain(log, told or "all is well again", logging.WARNING if told else logging.INFO)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
