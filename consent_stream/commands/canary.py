"""`consent-stream canary`: is a withdrawal enforced at every gate, and how soon."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.serving import complain, say, serving_metrics
from consent_stream.commands.stopping import asked_to_stop
from consent_stream.logs import log_to_stderr
from consent_stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from consent_stream.monitoring.patrol import Patrol
    from consent_stream.wire.keys import Keyring

log = logging.getLogger("consent_stream.canary")
SHORTEST = 10.0  # seconds between two presses: from one network, more often looks like a scanner's


@click.command()
@click.option("--edge", metavar="URL", help="Press at this edge. Default: send the event to Kafka.")
@click.option("--tenant", default="canary", show_default=True, help="One of the policy that is nobody's.")
@click.option("--every", type=Seconds(), default=60.0, show_default=True, help="Between two presses; at least 10.")
@click.option(
    "--patience", type=Seconds(), default=30.0, show_default=True, help="After so long an open press is overdue."
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    envvar="CONSENT_METRICS",
    show_envvar=True,
    help="Serve Prometheus metrics there; on loopback without HOST. Default: nowhere.",
)
@click.option("--once", is_flag=True, help="One press: exit 0 when every gate enforces it within --patience, else 1.")
@settings_options("keys", "log_format")
def command(
    settings: Settings, edge: str | None, tenant: str, every: float, patience: float, metrics: str | None, once: bool
) -> int:
    """Withdraw made-up addresses, one a minute, and measure until when each gate enforces it.

    The addresses are eight, end in `.invalid`, and belong to a tenant of their own: no person and no state that grows.
    Says on stderr when a gate owes, and when none does any more. Ends with exit 0 on SIGTERM or Ctrl-C.

    \b
    consent-stream canary --edge https://consent.example.com --metrics 9466
    consent-stream canary --once
    """
    from consent_stream.monitoring.patrol import Patrol
    from consent_stream.monitoring.pressing import at_edge, in_kafka, keys_of
    from consent_stream.wire.keys import UnknownTenantKey

    if every < SHORTEST:
        raise click.BadParameter(f"at least {SHORTEST:g} seconds", param_hint="--every")
    log_to_stderr("canary", settings.log_format)
    keyring = _keyring(settings)
    try:
        keys = keys_of(keyring, tenant)
    except UnknownTenantKey as error:
        raise click.UsageError(f"--tenant {tenant}: no key for it in {settings.keys}") from error
    try:
        press = in_kafka(settings, tenant) if edge is None else at_edge(keyring, tenant, edge)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--edge") from error
    patrol = Patrol(settings, keys, press, every=every, patience=patience, say=partial(complain, log))
    if metrics:
        _serve(metrics, patrol)
    with asked_to_stop() as asked:
        if once:
            return _once(patrol, patience, asked)
        patrol.run(_saying_ready(patrol, asked))
    return 0


def _keyring(settings: Settings) -> Keyring:
    from consent_stream.keyfile import load_keyring

    if settings.keys is None:
        raise SettingsError("keys", "the addresses are hashed with them: the root key file, or one of derived keys")
    return load_keyring(settings.keys)


def _serve(where: str, patrol: Patrol) -> None:
    from consent_stream.monitoring import exposition

    def probe(path: str) -> tuple[str, str]:
        if path == "/livez" or patrol.listening:
            return "200 OK", "live" if path == "/livez" else "ready"
        return "503 Service Unavailable", "waiting for Kafka"

    serving_metrics(where, lambda host, port: exposition.serve(host, port, patrol.metrics.registry, probe))


def _saying_ready(patrol: Patrol, asked: Callable[[], int]) -> Callable[[], bool]:
    said = False

    def over() -> bool:
        nonlocal said
        if patrol.listening and not said:
            said = True
            say("ready")
        return bool(asked())

    return over


def _once(patrol: Patrol, patience: float, asked: Callable[[], int]) -> int:
    began = time.monotonic()

    def over() -> bool:
        press = patrol.newest
        late = time.monotonic() - (began if press is None else press.at) > patience
        return bool(asked()) or late or (press is not None and press.place is not None and not press.owed)

    patrol.run(over)
    if code := asked():
        return code
    press = patrol.newest
    if press is None or press.place is None:
        click.echo("consent-stream: the press was not found in the ledger", err=True)
        return 1
    reached = f"{patrol.spoke - len(press.owed)} of {patrol.spoke} gates"
    say(f"enforced at {reached}, the slowest after {patrol.slowest:.1f} s")
    return 0 if patrol.spoke and not press.owed else 1
