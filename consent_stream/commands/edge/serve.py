"""`consent-stream edge`: the service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.serving import Refused, bound, say
from consent_stream.commands.tracing import tracing
from consent_stream.logs import log_to_stderr
from consent_stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from aiohttp import web

    from consent_stream.edge.config import Config
    from consent_stream.edge.edge import Edge
    from consent_stream.edge.lease import Lease
    from consent_stream.edge.providers.inbox import Post
    from consent_stream.edge.spool import Spool
    from consent_stream.tracing import Traces

LISTS = ("email", "sms", "sharing")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8780, show_default=True, help="0 is a free one.")
@click.option(
    "--base-url",
    envvar="CONSENT_BASE_URL",
    show_envvar=True,
    metavar="URL",
    help="How people reach it, for links. Default: http://HOST:PORT.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CONSENT_EDGE_CONFIG",
    show_envvar=True,
    help="Its configuration (TOML): providers, forms, pages.",
)
@click.option("--without-gates", is_flag=True, help="Hold no lists: pages then cannot show what stands.")
@click.option("--drain", type=Seconds(), default=1.0, show_default=True, help="Between SIGTERM and no more requests.")
@click.option("--access-log", is_flag=True, help="Log every request: method, resource, status, time.")
@settings_options("policy", "keys", "data_dir", "log_format")
def command(
    settings: Settings,
    host: str,
    port: int,
    base_url: str | None,
    config_file: Path | None,
    without_gates: bool,
    drain: float,
    access_log: bool,
) -> None:
    """Take what people and providers say: /u/TOKEN unsubscribes; docs/edge.md has the rest.

    Prints `serving HOST:PORT`, then `ready` when events can be taken. An event is answered 200 when Kafka has proven
    it, else when it is on the disk (DATA_DIR/spool), to be sent when Kafka is back. Ends with exit 0 on SIGTERM when
    the last answer is given. TLS ends before it: put it behind your proxy.

    \b
    Example:
      consent-stream edge --keys keys.toml --policy policy.toml --base-url https://consent.example.com
    """
    log_to_stderr("edge", settings.log_format, requests=access_log)
    from consent_stream.edge.app import routes
    from consent_stream.edge.config import ConfigError
    from consent_stream.edge.providers.inbox import post_of
    from consent_stream.http.serving import place

    with bound(host, port) as door:
        url = _url(base_url or f"http://{place(door)}")
        try:
            edge = _judged(settings, config_file, url)
            post = post_of(edge.config)  # before the routes, which refuse a table that nobody asked for
            found = routes(edge)
            with tracing(settings, "edge") as traces, _opened(edge, without_gates, traces):
                asyncio.run(_served(edge, door, found, post, drain, traces is not None))
        except ConfigError as error:
            raise Refused(f"--config (CONSENT_EDGE_CONFIG): {error}") from error


async def _served(
    edge: Edge, bound: socket.socket, found: list[web.RouteDef], post: Post | None, drain: float, traced: bool
) -> None:
    from consent_stream.edge.providers.inbox import listening
    from consent_stream.edge.traced import remember
    from consent_stream.http.app import anyone
    from consent_stream.http.serving import serve

    async with listening(edge, post):
        await serve(edge, bound, found, remember if traced else anyone, drain=drain, say=say)


def _judged(settings: Settings, config_file: Path | None, base_url: str) -> Edge:
    """An edge that takes nothing yet, and has left nothing on the disk. Errors: SettingsError, KeyFileError,
    ConfigError."""
    from consent_stream.edge.config import Config
    from consent_stream.edge.door import Unopened
    from consent_stream.edge.edge import Edge
    from consent_stream.keyfile import load_keyring
    from consent_stream.policyfile import load_policy

    if settings.keys is None:
        raise SettingsError("keys", "links are signed with them: the root key file, or one of derived keys")
    keys = load_keyring(settings.keys)
    policy, _ = load_policy(settings.policy)
    config = Config.load(config_file)
    _check(config)
    return Edge(settings=settings, config=config, keys=keys, policy=policy, door=Unopened(), base_url=base_url)


@contextmanager
def _opened(edge: Edge, without_gates: bool, traces: Traces | None) -> Iterator[None]:
    """Its spool, lease, door and gates while the block runs. Errors: SettingsError."""
    from consent_stream.edge.door import KafkaDoor
    from consent_stream.edge.edge import now
    from consent_stream.edge.traced import TracedDoor, of_spool
    from consent_stream.gate import Gate

    settings = edge.settings
    with ExitStack() as stack:
        spool = stack.enter_context(closing(_spool(settings)))
        edge.metrics.of_spool(spool, now)
        if edge.config.table("edge").get("freshness", True):
            stack.enter_context(closing(_lease(settings, spool)))
        sent = None if traces is None else of_spool(traces)
        door = stack.enter_context(closing(KafkaDoor(settings, spool, now, edge.metrics, sent)))
        # No mailer asks these: they must not count where senders are counted.
        lists = () if without_gates else LISTS
        edge.gates = {each: stack.enter_context(Gate(settings, channel=each, report=False)) for each in lists}
        edge.door = door if traces is None else TracedDoor(door, traces)
        yield


def _check(config: Config) -> None:
    from consent_stream.edge.config import ConfigError, only

    table = config.table("edge")
    only("edge", table, ["freshness"])
    if not isinstance(table.get("freshness", True), bool):
        raise ConfigError("edge.freshness: true or false is expected")


def _lease(settings: Settings, spool: Spool) -> Lease:
    from consent_stream.edge.edge import now
    from consent_stream.edge.lease import Lease

    try:
        return Lease(settings, spool, now)
    except (OSError, ValueError) as error:
        raise SettingsError("data_dir", str(error)) from error


def _spool(settings: Settings) -> Spool:
    from consent_stream.edge.spool import Spool, SpoolBusy

    folder = settings.data_dir / "spool"
    try:
        return Spool(folder)
    except SpoolBusy as error:
        raise SettingsError("data_dir", f"{error}; each edge needs its own") from error
    except OSError as error:
        raise SettingsError("data_dir", f"{folder}: {error.strerror}") from error


def _url(text: str) -> str:
    from consent_stream.links import is_base_url

    if not is_base_url(text):
        raise click.BadParameter(f"{text} is no http or https URL", param_hint="--base-url")
    return text.rstrip("/")
