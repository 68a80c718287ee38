"""What commands that serve HTTP have in common: the socket, what they say on stdout."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable

import click

from consent_stream.commands.screen import printable
from consent_stream.logs import as_json


class Refused(click.ClickException):
    """It cannot serve there, or not so."""

    exit_code = 2


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Errors: Refused."""
    from consent_stream.http.serving import bind

    try:
        return bind(host, port)
    except OSError as error:
        raise Refused(f"--host {host} --port {port}: {error.strerror or error}") from error


def serving_metrics(where: str, serve: Callable[[str, int], int]) -> None:
    """Serve at `[HOST:]PORT`, as `--metrics` says it. Errors: click's own, in one line, exit 2 or 1."""
    from consent_stream.monitoring.exposition import place_of

    try:
        host, port = place_of(where)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--metrics") from error
    try:
        serve(host, port)
    except OSError as error:
        raise click.ClickException(f"--metrics {where}: {error.strerror or error}") from error


def complain(log: logging.Logger, line: str, level: int = logging.WARNING) -> None:
    """One line on stderr: of the log where that is JSON, for then nothing else belongs there."""
    if as_json():
        log.log(level, "%s", line)
    else:
        click.echo(f"consent-stream: {printable(line)}", err=True)


def say(line: str) -> None:
    """One line on stdout, at once: whoever started us reads it through a pipe."""
    click.echo(line)
    sys.stdout.flush()
