"""`consent-stream resume`: the kill switch, off."""

from __future__ import annotations

import click

from consent_stream.commands.screen import printable
from consent_stream.commands.switching import now, switch_options, switches, turn, words
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
    """Take back what `stop-sending` stopped, named with the same --tenant and --channel.

    Every switch is one of its own: others that are on and cover some of the same still hold, and are named. Exit 0:
    done, 1: that switch is not on, or not obeyed everywhere in time (--wait), 2: not done.

    \b
    consent-stream resume --tenant acme --channel email --reason "template mended"
    """
    which = (tenant, channel or EVERY)
    on = {each: stop for each, stop in switches(settings).items() if stop.stopped}
    if which not in on:
        others = "; ".join(map(words, sorted(on))) or "nothing is"
        raise click.ClickException(f"{words(which)} is not stopped by a switch of its own (stopped: {others})")
    stop = Stop(False, reason, by, now())
    code = turn(settings, which, stop, ask=not yes, force=True, wait=wait, as_json=as_json)
    for each in sorted(on.keys() - {which}):
        if not all(EVERY in pair or pair[0] == pair[1] for pair in zip(each, which, strict=True)):
            continue
        click.echo(f"still stopped: {words(each)} ({printable(on[each].reason)})", err=True)
    return code
