"""`consent-stream gate serve`: the gate over HTTP, for programs in other languages."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.serving import Refused, bound, say
from consent_stream.commands.tracing import tracing
from consent_stream.gate import Gate, ReplicaFault
from consent_stream.logs import log_to_stderr
from consent_stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    import socket

    from consent_stream.inspection.barrier import Barrier
    from consent_stream.sidecar.access import Access
    from consent_stream.sidecar.routes import Everywhere
    from consent_stream.tracing import Traces

LISTS = ("email", "sms", "sharing")
UNITS = {"": 1, "KIB": 1024, "MIB": 1024**2}
LEAST_LIMIT, GREATEST_LIMIT = 0.1, 3600.0
SMALLEST_BODY, LARGEST_BODY = 1024, 64 * 1024**2


class Size(click.ParamType):
    """Bytes: 4096, 64KiB, 1MiB."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes of a text. Errors: click's own."""
        found = re.fullmatch(r"(\d{1,9})\s*(|KiB|MiB)", str(value), re.ASCII | re.IGNORECASE)
        size = int(found[1]) * UNITS[found[2].upper()] if found else 0
        if not SMALLEST_BODY <= size <= LARGEST_BODY:
            self.fail(f"{value} is not a size from 1KiB to 64MiB.", param, ctx)
        return size


class Limit(Seconds):
    """How old an answer may be: beyond an hour it is no proof of anything."""

    def __init__(self) -> None:
        super().__init__()
        self.min, self.max = LEAST_LIMIT, GREATEST_LIMIT


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 is a free one.")
@click.option(
    "--channel",
    "channels",
    type=click.Choice(LISTS),
    multiple=True,
    default=("email",),
    show_default=True,
    help="Lists to answer from; give it once for each.",
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep each list in STORE/CHANNEL, warm at the next start. Default: in memory.",
)
@click.option(
    "--no-follow", is_flag=True, help="Read each STORE/CHANNEL that `gate follow` keeps up to date, without Kafka."
)
@click.option(
    "--token",
    "token_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CONSENT_SIDECAR_TOKEN",
    show_envvar=True,
    help="A file with the token that `Authorization: Bearer` must say.",
)
@click.option("--without-token", is_flag=True, help="Permit everyone who reaches a HOST that is not of this machine.")
@click.option("--max-body", type=Size(), default="1MiB", show_default=True, help="Largest body.")
@click.option("--max-batch", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@click.option("--concurrency", type=click.IntRange(1, 10_000), default=64, show_default=True, help="Answers under way.")
@click.option(
    "--staleness-limit", type=Limit(), default=10.0, show_default=True, help="How far behind an answer may be."
)
@click.option("--drain", type=Seconds(), default=1.0, show_default=True, help="Between SIGTERM and no more questions.")
@click.option("--access-log", is_flag=True, help="Log every request: method, resource, status, time.")
@settings_options("keys", "log_format")
def command(
    settings: Settings,
    host: str,
    port: int,
    channels: tuple[str, ...],
    store: Path | None,
    no_follow: bool,
    token_file: Path | None,
    without_token: bool,
    max_body: int,
    max_batch: int,
    concurrency: int,
    staleness_limit: float,
    drain: float,
    access_log: bool,
) -> None:
    """Answer over HTTP: POST /v1/check, GET /v1/status, /v1/receipts/PARTITION:OFFSET, /readyz, /v1/openapi.json.

    Prints `serving HOST:PORT`, then `ready` when every list is read and fresh. Until then, and when stale, checks are
    answered 503 and no. Ends with exit 0 on SIGTERM when the last answer is given.

    \b
    Example:
      consent-stream gate serve --channel email --channel sms --keys keys.toml --store /var/lib/consent-stream
    """
    log_to_stderr("sidecar", settings.log_format, requests=access_log)
    if settings.keys is None:
        raise SettingsError("keys", "a gate needs the root key file of the workers; without it every answer is no")
    if no_follow and store is None:
        raise click.UsageError("--no-follow: give --store, in which `gate follow` keeps each channel")
    door = bound(host, port)
    with door:
        access = _access(door, token_file, without_token)
        from consent_stream.http.serving import serve
        from consent_stream.sidecar.gates import Gates
        from consent_stream.sidecar.limits import Limits
        from consent_stream.sidecar.routes import Sidecar

        with tracing(settings, "sidecar") as traces:
            gates = Gates(_gates(settings, dict.fromkeys(channels), store, not no_follow, staleness_limit, traces))
            try:
                limits = Limits(body=max_body, batch=max_batch, concurrency=concurrency)
                everywhere = None if no_follow else _everywhere(settings)
                sidecar = Sidecar(gates, limits, everywhere)
                asyncio.run(serve(sidecar, door, sidecar.routes(), access.check, drain=drain, say=say))
            finally:
                gates.close()


def _everywhere(settings: Settings) -> Everywhere:
    from consent_stream.inspection.gatereports import await_events

    def ask(place: tuple[int, int], settled: bool) -> Barrier:
        return await_events(settings, dict([place]), (), settled=settled)

    return ask


def _access(door: socket.socket, token_file: Path | None, without_token: bool) -> Access:
    from consent_stream.http.serving import on_loopback
    from consent_stream.http.tokenfile import TokenFileError, read_token
    from consent_stream.sidecar.access import Access

    try:
        token = None if token_file is None else read_token(token_file)
    except TokenFileError as error:
        raise Refused(f"--token (CONSENT_SIDECAR_TOKEN): {error}") from error
    if token is None and not on_loopback(door) and not without_token:
        raise Refused("--host: others could ask who is on your lists; give --token FILE, or say --without-token")
    return Access(token, own_machine=on_loopback(door))


def _gates(
    settings: Settings,
    channels: dict[str, None],
    store: Path | None,
    follow: bool,
    limit: float,
    traces: Traces | None,
) -> dict[str, Gate]:
    gates: dict[str, Gate] = {}
    try:
        for channel in channels:
            where = None if store is None else store / channel
            gates[channel] = Gate(
                settings, channel=channel, staleness_limit=limit, store=where, follow=follow, traces=traces
            )
    except BaseException as error:
        for gate in gates.values():
            gate.close()
        if isinstance(error, ReplicaFault | OSError):
            raise Refused(f"--store: {error}") from error
        raise
    return gates
