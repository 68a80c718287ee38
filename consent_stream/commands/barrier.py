"""`consent-stream barrier`: is an accepted event enforced at every gate."""

from __future__ import annotations

import json

import click
from rich.table import Table

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.screen import clock, console, plain
from consent_stream.commands.unanswered import Unanswered
from consent_stream.inspection.barrier import Barrier, GateState, members
from consent_stream.settings import Settings

LISTS = ("email", "sms", "sharing")


@click.command()
@click.argument("receipts", metavar="RECEIPT…", nargs=-1, required=True)
@click.option("--wait", type=Seconds(), default=0.0, metavar="SECONDS", help="Until enforced; exit 1 if not in time.")
@click.option("--channel", "channels", type=click.Choice(LISTS), multiple=True, help="Gates of this list alone.")
@click.option(
    "--applied", is_flag=True, help="For questions that name the contact. Default: for all, those without it too."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options()
def command(
    settings: Settings, receipts: tuple[str, ...], wait: float, channels: tuple[str, ...], applied: bool, as_json: bool
) -> int:
    """Say at how many gates events are enforced, and which lag. RECEIPT is PARTITION:OFFSET, as `publish` prints it.

    Gates tell once a second in consent.gates how far they have got. Exit 0: enforced at all of them, 1: not, or
    there is no gate, 2: no answer, or no such event.

    \b
    consent-stream barrier 3:1742
    consent-stream barrier 3:1742 5:88 --wait 10 --json
    """
    from consent_stream.inspection.gatereports import NoSuchEvent, await_events
    from consent_stream.inspection.topicread import Unread

    wanted = _wanted(receipts)
    try:
        found = await_events(settings, wanted, channels, settled=not applied, seconds=wait)
    except (Unread, NoSuchEvent) as error:
        raise Unanswered(str(error)) from error
    tell(found, "enforced", as_json)
    return 0 if found.passed else 1


def _wanted(receipts: tuple[str, ...]) -> dict[int, int]:
    wanted: dict[int, int] = {}
    for receipt in receipts:
        partition, colon, offset = receipt.partition(":")
        if not (colon and partition.isascii() and offset.isascii() and partition.isdigit() and offset.isdigit()):
            raise click.BadParameter(f"{receipt!r} is not PARTITION:OFFSET", param_hint="RECEIPT")
        wanted[int(partition)] = max(int(offset), wanted.get(int(partition), 0))
    return wanted


def tell(found: Barrier, what: str, as_json: bool) -> None:
    """What is so at which gates, for people or as JSON."""
    if as_json:
        click.echo(json.dumps(members(found)))
        return
    screen = console()
    if not found.gates:
        screen.print("no gate has reported in consent.gates: is any mailer running?")
        return
    since = f" since {clock(found.since)}" if found.since is not None else ""
    screen.print(f"{what} at {found.reached} of {len(found.gates)} gates{since}")
    rest = [each for each in found.gates if each.state != "reached"]
    if rest:
        screen.print(_table(rest))


def _table(rest: list[GateState]) -> Table:
    table = Table("gate", "host", "list", "state", "last word", "", box=None, pad_edge=False)
    for each in rest:
        report = each.report
        why = "; ".join(filter(None, (each.lag, report.trouble)))
        if each.state == "silent":
            limit = report.staleness_limit / 1e6
            why = f"{why or 'was there'}; cut off from Kafka it denies after {limit:g} s"
        cells = (report.name, report.host, report.list, each.state, clock(report.written), why)
        table.add_row(*map(plain, cells))
    return table
