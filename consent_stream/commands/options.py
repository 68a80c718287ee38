"""Flags that are the same on every command that has them: those that stand for settings, and how long to wait."""

import functools
import math
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
    "registry_url": "Schema registry: consent.changes is written in its framing. Default: none.",
    "worker_id": "Static membership: a worker that comes back gets its partitions at once.",
    "log_format": "The log on stderr: text, or json, an object a line. Default: text.",
    "security_protocol": f"One of {', '.join(SECURITY_PROTOCOLS)}.",
    "sasl_mechanism": f"One of {', '.join(SASL_MECHANISMS)}. The password: CONSENT_SASL_PASSWORD or …_PASSWORD_FILE.",
    "sasl_username": "Who we are to Kafka.",
    "ssl_ca": "Certificates to trust (PEM). Default: the system's.",
    "ssl_certificate": "Our own certificate (PEM).",
    "ssl_key": "The key of our certificate (PEM).",
}
LINK = ("bootstrap", "topic_prefix")
SECURITY = ("security_protocol", "sasl_mechanism", "sasl_username", "ssl_ca", "ssl_certificate", "ssl_key")

Command = Callable[..., Any]
LONGEST_WAIT = 86_400


class Seconds(click.FloatRange):
    """How long to wait: 0 to a day. Clocks and Kafka's clients fail on more, late and obscurely."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(0, LONGEST_WAIT)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """What click's range does, and no NaN: that one is neither below a bound nor above."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value} is not in the range 0<=x<={LONGEST_WAIT}.", param, ctx)
        return seconds


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
