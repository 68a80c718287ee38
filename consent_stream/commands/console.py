"""`consent-stream console`: what happens, in a browser."""

from __future__ import annotations

import asyncio
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.serving import Refused, bound, say
from consent_stream.logs import log_to_stderr
from consent_stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    import socket

    from consent_stream.console.access import Access
    from consent_stream.console.search import Sought, Tell
    from consent_stream.edge.clients import Network
    from consent_stream.wire.keys import Keyring


class Proxies(click.ParamType):
    """An address, or a network of addresses."""

    name = "network"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        """Errors: click's own."""
        try:
            return ip_network(str(value))
        except ValueError:
            self.fail(f"{value} is no address or network, such as 10.0.0.7 or 10.0.0.0/24.", param, ctx)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8790, show_default=True, help="0 is a free one.")
@click.option(
    "--token",
    "token_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CONSENT_CONSOLE_TOKEN",
    show_envvar=True,
    help="A file with the token that people log in with, mode 0600.",
)
@click.option(
    "--oidc-header",
    metavar="NAME",
    help="Let in whom a --trusted-proxy names in this header, such as X-Forwarded-Email.",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    type=Proxies(),
    multiple=True,
    help="Address or network of a proxy whose word on people and clients is believed; give it once for each.",
)
@click.option(
    "--behind-tls", is_flag=True, help="TLS ends at a proxy before it: permits another HOST than this machine."
)
@click.option(
    "--without-tls", is_flag=True, help="Permit plain HTTP off this machine: token and pages can be read on the way."
)
@click.option("--drain", type=Seconds(), default=1.0, show_default=True, help="Between SIGTERM and no more requests.")
@click.option("--access-log", is_flag=True, help="Log every request: method, resource, status, time.")
@settings_options("keys", "policy", "log_format")
def command(
    settings: Settings,
    host: str,
    port: int,
    token_file: Path | None,
    oidc_header: str | None,
    proxies: tuple[Network, ...],
    behind_tls: bool,
    without_tls: bool,
    drain: float,
    access_log: bool,
) -> None:
    """Show how everything stands, in a browser: flow, gates, opt-outs, one person's history, quarantine. Read only.

    Prints `serving HOST:PORT`, then `ready` when the topics are read. Whoever looks needs the token, or comes through a
    proxy that names people. --policy names the file that has the notices' hashes. Ends with exit 0 on SIGTERM when the
    last answer is given.

    \b
    Example:
      (umask 077; head -c 24 /dev/urandom | base64 > console.token)
      consent-stream console --keys keys.toml --token console.token
    """
    log_to_stderr("console", settings.log_format, requests=access_log)
    if settings.keys is None:
        raise SettingsError("keys", "people are looked up by them: the root key file, or one of derived keys")
    with bound(host, port) as door:
        _check_link(door, behind_tls, without_tls)
        access = _access(token_file, oidc_header, proxies, behind_tls)
        _serve(settings, door, access, drain)


def _serve(settings: Settings, door: socket.socket, access: Access, drain: float) -> None:
    from consent_stream.console.console import Console, now
    from consent_stream.console.follower import Follower
    from consent_stream.console.model import Model
    from consent_stream.console.person import look_up
    from consent_stream.console.routes import routes
    from consent_stream.console.search import Jobs, Reader
    from consent_stream.http.serving import serve
    from consent_stream.policyfile import load_policy

    def look(sought: Sought, tell: Tell) -> Any:
        return look_up(settings, reader.keyring, notices, sought, tell)

    notices = None if settings.policy is None else load_policy(settings.policy)[0].notices
    reader, model = Reader(_keyring(settings)), Model()
    with closing(Jobs(look, now)) as jobs, closing(Follower(settings, model, now)) as follower:
        console = Console(model, access, jobs, reader)
        follower.start()
        asyncio.run(serve(console, door, routes(console), drain=drain, say=say))


def _keyring(settings: Settings) -> Keyring:
    from consent_stream.keyfile import load_keyring

    assert settings.keys is not None
    return load_keyring(settings.keys)


def _check_link(door: socket.socket, behind_tls: bool, without_tls: bool) -> None:
    from consent_stream.http.serving import on_loopback

    if not on_loopback(door) and not behind_tls and not without_tls:
        raise Refused(
            "--host: token and pages could be read on the way; put a proxy with TLS before it and say --behind-tls"
        )


def _access(token_file: Path | None, header: str | None, proxies: tuple[Network, ...], tls: bool) -> Access:
    from consent_stream.console.access import Access
    from consent_stream.console.console import now
    from consent_stream.console.session import Sessions
    from consent_stream.http.tokenfile import TokenFileError, read_token

    if header is not None and not proxies:
        raise Refused("--oidc-header: anybody could write it; give --trusted-proxy, the address of who sets it")
    if token_file is None and header is None:
        raise Refused("--token: give a file with the token that people log in with, or --oidc-header of a proxy")
    try:
        sessions = None if token_file is None else Sessions(read_token(token_file))
    except TokenFileError as error:
        raise Refused(f"--token (CONSENT_CONSOLE_TOKEN): {error}") from error
    return Access(now, sessions, header, proxies, tls)
