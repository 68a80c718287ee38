"""Flags that stand for settings, the same on every command that has them."""

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from consent_stream.settings import SASL_MECHANISMS, SECURITY_PROTOCOLS, Settings, flag, variable

FLAGS = {
    "bootstrap": "Kafka's HOST:PORT list. Default 127.0.0.1:9092.",
    "topic_prefix": "Put before every topic name. Default: none.",
    "policy": "Policy file (TOML, or JSON if it ends in .json): tenants, sources, notices.",
    "keys": "Root key file (TOML); see `keys new`.",
    "data_dir": "Where state is kept. Default: data.",
    "worker_id": "Static membership: a worker that comes back gets its partitions at once.",
    "security_protocol": f"One of {', '.join(SECURITY_PROTOCOLS)}.",
    "sasl_mechanism": f"One of {', '.join(SASL_MECHANISMS)}. The password comes from CONSENT_SASL_PASSWORD.",
    "sasl_username": "Who we are to Kafka.",
    "ssl_ca": "Certificates to trust (PEM). Default: the system's.",
    "ssl_certificate": "Our own certificate (PEM).",
    "ssl_key": "The key of our certificate (PEM).",
}
LINK = ("bootstrap", "topic_prefix")
SECURITY = ("security_protocol", "sasl_mechanism", "sasl_username", "ssl_ca", "ssl_certificate", "ssl_key")

Command = Callable[..., Any]


def settings_options(*more: str) -> Callable[[Command], Command]:
    """Give a command the flags of Kafka and of `more` settings; it receives them all as one `settings` argument.

        @click.command()
        @settings_options("policy", "keys")
        def command(settings: Settings) -> None: ...

    A wrong setting ends the command with exit 2 and one line (SettingsError).
    """
    names = (*LINK, *more, *SECURITY)

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(*args: Any, **given: Any) -> Any:
            flags = {name: given.pop(name) for name in (*names, "insecure")}
            return function(*args, settings=Settings.read(flags, os.environ), **given)

        insecure = "Permit plaintext to brokers off this machine. Certificates are checked all the same."
        decorated: Command = click.option("--insecure", is_flag=True, default=None, help=_told("insecure", insecure))(
            command
        )
        for name in reversed(names):
            decorated = click.option(flag(name), name, help=_told(name, FLAGS[name]))(decorated)
        return decorated

    return decorate


def _told(name: str, text: str) -> str:
    return f"{text} [{variable(name)}]"
