"""`consent-stream stop-sending`: the kill switch."""

from __future__ import annotations

import click

from consent_stream.commands.switching import now, switch_options, turn
from consent_stream.settings import Settings
from consent_stream.wire.stops import EVERY, Stop


@click.command()
@switch_options
def command(
    settings: Settings,
    tenant: str,
    channel: str | None,
    reason: str,
    by: str,
    yes: bool,
    force: bool,
    wait: float | None,
    as_json: bool,
) -> int:
    """Make every gate deny (`stopped`), whatever the purpose, until `consent-stream resume`.

    Gates obey within moments, and one that cannot hear of it denies by itself once its staleness limit is over. Who did
    it and why is kept in consent.audit. Exit 0: done, 1: not obeyed everywhere in time (--wait), 2: not done.

    \b
    consent-stream stop-sending --tenant acme --channel email --reason "wrong template" --wait 10
    consent-stream stop-sending --reason "data breach" --yes
    """
    stop = Stop(True, reason, by, now())
    return turn(settings, (tenant, channel or EVERY), stop, ask=not yes, force=force, wait=wait, as_json=as_json)
