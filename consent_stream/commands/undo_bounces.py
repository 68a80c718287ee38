"""`consent-stream undo-bounces`: bounces that were none, as when a provider was out of order."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from confluent_kafka import KafkaException
from rich.table import Table

from consent_stream.commands.bars import reading
from consent_stream.commands.enforced import await_enforced, last_offsets
from consent_stream.commands.instants import Instant
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.screen import clock, console, plain
from consent_stream.commands.switching import now
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings, SettingsError

if TYPE_CHECKING:
    from consent_stream.inspection.bounces import Found, Signed, Wanted

WORDS = {
    "deliverable": "addresses become deliverable",
    "already": "are deliverable already",
    "otherwise": "stay undeliverable: other bounces, from before, meanwhile or since, hold them",
    "not_yet": "have a bounce dated later than a minute ago: run it again then",
}
ROWS = 40


@click.command()
@click.option("--tenant", required=True, help="Whose addresses.")
@click.option(
    "--from", "since", type=Instant(), required=True, help="Accepted at or after it: RFC 3339, or 90m, 2h, 3d ago."
)
@click.option("--to", "until", type=Instant(), required=True, help="Accepted before it.")
@click.option(
    "--source", "sources", multiple=True, help="From this source. May be given several times, as the next two."
)
@click.option("--status", "statuses", multiple=True, help="With this enhanced code, as 5.1.1.")
@click.option("--domain", "domains", multiple=True, help="Of addresses at this domain.")
@click.option(
    "--as", "source", metavar="SOURCE", help="Source of the deliveries; the policy must register it for the tenant."
)
@click.option("--approved-by", multiple=True, metavar="ID", help="Who decided it; kept in consent.audit and the event.")
@click.option("--reason", default="", help="Why; kept there too.")
@click.option("--yes", is_flag=True, help="Do it. Without: tell what it would come to.")
@click.option("--wait", type=Seconds(), default=60.0, show_default=True, help="For each of the two waits.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as one JSON object.")
@settings_options("policy")
def command(
    settings: Settings, tenant: str, since: int, until: int, sources: tuple[str, ...], statuses: tuple[str, ...],
    domains: tuple[str, ...], source: str | None, approved_by: tuple[str, ...], reason: str, yes: bool, wait: float,
    as_json: bool,
) -> int:  # fmt: skip
    """Make up for hard bounces of a window that were none. Without --yes nothing is published.

    Only what a provider said of a mailbox is ever selected, never a "no" of a person. Each address gets one
    delivery.succeeded, later than its last selected bounce by a microsecond: one that bounced again, or that an older
    bounce holds, stays undeliverable. --status and --domain are read from consent.events, which is kept for 7 days.
    What was done already is not done twice: run it again when it was interrupted.

    Exit 0: done, or told; 1: Kafka did not take it all, or a wait was too short; 2: a wrong argument, or no answer.

    \b
    consent-stream undo-bounces --tenant acme --from 2026-03-01T10:00:00Z --to 2026-03-01T12:30:00Z --status 5.1.1
    consent-stream undo-bounces --tenant acme --from 3h --to 1h --as /ops --approved-by kim --reason "outage" --yes
    """
    from consent_stream.inspection.bounces import Wanted, fates, find_bounces
    from consent_stream.inspection.topicread import Unread
    from consent_stream.publisher import Unproven
    from consent_stream.topics import Unreachable, active_generation
    from consent_stream.wire.avro import WireError

    wanted = Wanted(tenant, since, until, sources, statuses, tuple(map(_domain, domains)))
    if since >= until:
        raise click.UsageError("--from is not before --to: there is nothing in between")
    signed = _signed(settings, tenant, source, approved_by, reason) if yes else None
    try:
        generation = active_generation(settings)
        await_enforced(settings, last_offsets(settings), wait)
        with ExitStack() as bars:
            found = find_bounces(settings, generation, wanted, lambda what: bars.enter_context(reading(what)))
        at = now()
        told = fates(found, at)
        receipts = {} if signed is None else _undo(settings, found, wanted, signed, at)
    except (Unreachable, Unread, WireError) as error:
        raise Unanswered(str(error)) from error
    except Unproven as error:
        raise click.ClickException(f"{error}; run it again") from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka: {error.args[0].str()}") from error
    (_print_json if as_json else _print)(found, dict(told), wanted, receipts if yes else None)
    if receipts:
        await_enforced(settings, receipts, wait)
    return 0


def _domain(text: str) -> str:
    from consent_stream.inspection.bounces import domain_of

    found = domain_of(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no domain", param_hint="--domain")
    return found


def _signed(settings: Settings, tenant: str, source: str | None, approved_by: tuple[str, ...], reason: str) -> Signed:
    """Errors: UsageError for what is missing, or a source whose deliveries would not count."""
    from consent_stream.inspection.bounces import Signed
    from consent_stream.policyfile import load_policy

    if source is None or not approved_by or not reason:
        raise click.UsageError("--yes needs --as, --approved-by and --reason")
    if settings.policy is None:
        raise SettingsError("policy", "the workers' policy file is needed: is the source registered, is its clock ours")
    registered = load_policy(settings.policy)[0].source(source, tenant)
    if registered is None or registered.clock not in ("ours", "signed"):
        raise click.UsageError(
            f"--as {source}: the policy does not register it for tenant {tenant} with clock ours or signed, "
            "so its deliveries would not count"
        )
    return Signed(source, registered.clock, approved_by, reason)


def _undo(settings: Settings, found: Found, wanted: Wanted, signed: Signed, at: int) -> dict[int, int]:
    """Publish; the greatest offset by partition. Errors: Unproven; KafkaException."""
    from consent_stream.commands.stopping import asked_to_stop
    from consent_stream.control import publish_audit
    from consent_stream.inspection.bounces import fate_of, undo_event
    from consent_stream.publisher import Publisher

    keys = [key for key, course in found.keys.items() if fate_of(course, at) == "deliverable"]
    if not keys:
        return {}
    said = {"action": "bounces.undone", "at": at, "keys": len(keys), **signed._asdict(), "selection": wanted._asdict()}
    publish_audit(settings, [json.dumps(said).encode()])
    publisher, furthest = Publisher(settings), dict[int, int]()

    def note() -> None:
        for receipt in publisher.proven():
            furthest[receipt.partition] = max(receipt.offset, furthest.get(receipt.partition, -1))

    with asked_to_stop() as asked:
        for number, key in enumerate(keys, 1):
            publisher.send(number, undo_event(key, found.keys[key], wanted.tenant, signed))
            note()
            if asked():
                break
        for receipt in publisher.rest():
            furthest[receipt.partition] = max(receipt.offset, furthest.get(receipt.partition, -1))
        if code := asked():
            click.echo(f"stopped after {number:,} of {len(keys):,}: run it again for the rest", err=True)
            raise SystemExit(code)
    return furthest


def _print_json(found: Found, told: dict[Any, int], wanted: Wanted, receipts: dict[int, int] | None) -> None:
    from consent_stream.inspection.bounces import counts

    rows = [
        {"source": source, "domain": domain, "status": status, "bounces": n}
        for (source, domain, status), n in counts(found, wanted)
    ]
    outcome = {
        "tenant": wanted.tenant, "from": wanted.since, "to": wanted.until, "bounces": found.selected.total(),
        "by": rows, "addresses": {name: told.get(name, 0) for name in WORDS}, "event_gone": found.unknown,
        "unreadable": found.unreadable, "published": receipts is not None,
        "receipts": {str(partition): offset for partition, offset in sorted((receipts or {}).items())},
    }  # fmt: skip
    click.echo(json.dumps(outcome))


def _print(found: Found, told: dict[Any, int], wanted: Wanted, receipts: dict[int, int] | None) -> None:
    from consent_stream.inspection.bounces import counts

    screen, rows = console(), counts(found, wanted)
    table = Table("bounces", "source", "domain", "status", box=None, pad_edge=False)
    for kind, count in rows[:ROWS]:
        table.add_row(f"{count:,}", *map(plain, kind))
    screen.print(table)
    if len(rows) > ROWS:
        screen.print(f"… and {len(rows) - ROWS:,} rows more: --json has all")
    click.echo(f"{found.selected.total():,} bounces of {len(found.keys):,} addresses, {_span(wanted)}")
    for name, words in WORDS.items():
        if told.get(name):
            click.echo(f"  {told[name]:>10,}  {words}")
    if found.unknown:
        click.echo(
            f"  {found.unknown:>10,}  bounces left out: their events are gone, so nobody knows status and domain"
        )
    if found.unreadable:
        click.echo(f"  {found.unreadable:>10,}  records of the ledger that this version cannot read")
    if receipts is None:
        click.echo("nothing was published: --yes does it")
    else:
        shown = " ".join(f"{partition}:{offset}" for partition, offset in sorted(receipts.items()))
        click.echo(f"published; greatest receipts: {shown or 'none'}")


def _span(wanted: Wanted) -> str:
    return f"accepted from {clock(wanted.since)} to {clock(wanted.until)}"
