"""What `stop-sending`, `resume` and `stops` share: which switch, who turns it, and which gates obey."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import click
from confluent_kafka import KafkaException

from consent_stream.commands.barrier import tell
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.screen import printable
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.stops import CHANNELS, EVERY, UNREADABLE, Covered, Stop, covered, decode_stop

LISTS = tuple(each for each in CHANNELS if each != EVERY)


def switch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of both commands that turn a switch."""
    for option in reversed((
        click.option("--tenant", default=EVERY, help="Of this tenant alone. Default: of all."),
        click.option("--channel", type=click.Choice(LISTS), default=None, help="Of this list alone. Default: of all."),
        click.option("--reason", required=True, help="Why; kept in consent.audit."),
        click.option("--by", default=getpass.getuser, show_default="the user's name", help="Who says so."),
        click.option("--yes", is_flag=True, help="Do not ask before everything is stopped, or may go on."),
        click.option("--force", is_flag=True, help="Also for a tenant that the policy does not know."),
        click.option(
            "--wait", type=Seconds(), metavar="SECONDS", help="Until every gate obeys; exit 1 if not in time."
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON object."),
        settings_options(),
    )):  # fmt: skip
        command = option(command)
    return command


def switches(settings: Settings) -> dict[Covered, Stop]:
    """Every switch that was ever turned. Errors: Unanswered."""
    from consent_stream.topics import read_control_whole

    try:
        control = read_control_whole(settings)
    except KafkaException as error:
        raise Unanswered(f"Kafka did not answer, or refused: {error.args[0]}") from error
    found = {}
    for key, value in control.items():
        if (which := covered(key)) is not None:
            try:
                found[which] = decode_stop(value)
            except WireError:
                found[which] = UNREADABLE
    return found


def words(which: Covered) -> str:
    """What a switch covers, in words."""
    tenant, channel = which
    whose = "every tenant" if tenant == EVERY else f"tenant {printable(tenant)}"
    return f"{whose}, {'every list' if channel == EVERY else channel}"


def turn(
    settings: Settings,
    which: Covered,
    stop: Stop,
    *,
    ask: bool,
    force: bool,
    wait: float | None,
    as_json: bool,
) -> int:
    """Turn one switch, after asking where it stops or starts everything; the exit code.

    Errors: UsageError for an unknown tenant; Unanswered when Kafka does not take it.
    """
    from consent_stream.control import set_switch

    tenant, channel = which
    if tenant != EVERY and not force:
        _refuse_unknown(settings, tenant)
    if which == (EVERY, EVERY) and ask:
        verb = "Stop" if stop.stopped else "Resume"
        if not sys.stdin.isatty():
            raise click.UsageError(f"this would {verb.lower()} all sending, and nobody is here to ask: say --yes")
        click.confirm(f"{verb} all sending of every tenant on every list?", abort=True, err=True)
    try:
        offset = set_switch(settings, tenant, channel, stop)
    except KafkaException as error:
        raise Unanswered(f"Kafka did not take it: {error.args[0]}") from error
    turned = {"tenant": tenant, "channel": channel, **stop._asdict(), "offset": offset}
    if not as_json:
        click.echo(f"{'stopped' if stop.stopped else 'resumed'}: {words(which)}")
    elif wait is None:
        click.echo(json.dumps({"switch": turned}))
    return 0 if wait is None else _await_obedience(settings, which, turned, wait, as_json)


def _await_obedience(settings: Settings, which: Covered, turned: dict[str, Any], wait: float, as_json: bool) -> int:
    from consent_stream.inspection.barrier import control_lag, members
    from consent_stream.inspection.gatereports import await_barrier
    from consent_stream.inspection.topicread import Unread

    channels = () if which[1] == EVERY else (which[1],)
    try:
        found = await_barrier(settings, control_lag(turned["offset"]), channels, wait)
    except Unread as error:  # the switch is turned; only the proof is lacking
        raise click.ClickException(f"it is turned, but nobody can tell who obeys: {error}") from error
    if as_json:
        click.echo(json.dumps({"switch": turned, **members(found)}))
    else:
        tell(found, "obeyed", as_json=False)
    return 0 if found.passed else 1


def _refuse_unknown(settings: Settings, tenant: str) -> None:
    from consent_stream.topics import active_generation, read_control
    from consent_stream.wire.control import POLICY, decode_policy, named

    try:
        record = read_control(settings).get(named(POLICY, active_generation(settings)))
        known = sorted(decode_policy(record).tenants) if record is not None else []
    except KafkaException as error:
        raise Unanswered(f"Kafka did not answer, or refused: {error.args[0]}") from error
    except WireError as error:
        raise Unanswered(f"{error}; --force goes on all the same") from error
    if tenant not in known:
        raise click.UsageError(f"--tenant {tenant}: the policy knows {', '.join(known) or 'none'}; or say --force")


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000
