"""`consent-stream activate`: which generation's lists the gates obey."""

from __future__ import annotations

import getpass
import time
from pathlib import Path

import click
from confluent_kafka import KafkaException

from consent_stream.commands.compare import Uncompared, compared
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.control import publish_audit, publish_control
from consent_stream.domain.policy import Policy
from consent_stream.rebuild.activate import needed, read_approval
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation, read_control
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import (
    POLICY,
    Active,
    decode_policy,
    encode_active,
    encode_active_audit,
    named,
)

MOST = 1_000_000  # differing keys that are looked at: more are no rebuild but another world
SHOWN = 10


@click.command()
@click.argument("generation", type=click.IntRange(0, 999_999))
@click.option("--reason", required=True, help="Why; kept in consent.audit.")
@click.option("--by", default=getpass.getuser, show_default="the user's name", help="Who says so.")
@click.option(
    "--approve",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that approves of what may be answered more freely: a key in hex or `tenant NAME` a line.",
)
@click.option(
    "--list", "listed", type=click.Path(dir_okay=False, path_type=Path), help="Write what needs approval there."
)
@click.option("--timeout", type=Seconds(), default=300.0, show_default=True, help="Seconds for both to settle.")
@settings_options()
def command(
    settings: Settings,
    generation: int,
    reason: str,
    by: str,
    approve: Path | None,
    listed: Path | None,
    timeout: float,
) -> int:
    """Let the gates obey GENERATION from now on; each goes over to its lists when it has read them whole.

    Refused (exit 1) while any key was denied something before and might be allowed it after, or a tenant's policy is
    freer, unless a file approves of each. Workers of both generations must run meanwhile. Going back is the same step.

    \b
    consent-stream activate 1 --reason "32 partitions" --list freer.txt
    consent-stream activate 1 --reason "32 partitions" --approve freer.txt
    """
    try:
        active = active_generation(settings)
        if generation == active:
            click.echo(f"gates obey generation {generation} already")
            return 0
        found = compared(settings, (active, generation), timeout, MOST)
        control = read_control(settings)
        before, after = (_policy(control, each) for each in (active, generation))
    except (Unreachable, WireError) as error:
        raise Uncompared(str(error)) from error
    except KafkaException as error:
        raise Uncompared(f"Kafka did not answer, or refused: {error.args[0]}") from error
    if any(each.total > MOST for each in found.compared.values()):
        raise Uncompared(f"more than {MOST} keys differ: that is no rebuild of these lists")
    if not found.steady:
        raise click.ClickException("some keys change all the time; try again when it is quieter")
    want = needed(found.compared, before, after)
    if listed is not None:
        listed.write_text("".join(f"{line}\n" for line in sorted(want.lines)))
    lacking = want.lacking(read_approval(approve) if approve is not None else ())
    if lacking:
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        raise click.ClickException(
            f"not approved, might be answered more freely: {', '.join(lacking[:SHOWN])}{more}; "
            "look at them (consent-stream compare), write them with --list FILE, then --approve FILE"
        )
    _activate(settings, Active(generation, by, reason, time.time_ns() // 1000))
    click.echo(f"gates obey generation {generation}; {len(want.lines)} approved, before {active}")
    return 0


def _policy(control: dict[bytes, bytes], generation: int) -> Policy:
    """Errors: WireError; Uncompared when no worker of that generation has ever started."""
    record = control.get(named(POLICY, generation))
    if record is None:
        raise Uncompared(f"no worker of generation {generation} has started: consent-stream rebuild")
    return decode_policy(record)


def _activate(settings: Settings, active: Active) -> None:
    publish_audit(settings, [encode_active_audit(active)])  # first: what nobody can look up later must not happen
    publish_control(settings, [encode_active(active)])
