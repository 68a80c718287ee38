"""`consent-stream edge suspects`: clicks that look like a scanner's, and taking back what they permitted."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click
from rich.table import Table

from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import clock, console, plain
from consent_stream.commands.unanswered import Unanswered
from consent_stream.domain.times import parse_instant
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.inspection.suspects import Suspect


@click.command()
@click.option("--since", metavar="TIME", help="Appended at or after it (RFC 3339). Default: all there are, 7 days.")
@click.option("--tenant", help="Of this tenant alone.")
@click.option("--message", "message_id", help="From this message alone.")
@click.option("--mark", help="With this mark alone: known_range, too_soon, many_links, head_first.")
@click.option("--revert", is_flag=True, help="Void every yes among them, for good.")
@click.option("--approved-by", multiple=True, metavar="ID", help="Who looked at them; for the record of --revert.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@settings_options()
def command(
    settings: Settings,
    since: str | None,
    tenant: str | None,
    message_id: str | None,
    mark: str | None,
    revert: bool,
    approved_by: tuple[str, ...],
    as_json: bool,
) -> None:
    """List clicks that the edge marked as a scanner's. All of them were applied.

    --revert takes back each yes among those listed. A no stays: by the rules nobody but the person undoes it, with a
    yes of their own, from the page behind a link of the last 7 days.

    \b
    consent-stream edge suspects --since 2026-03-01T00:00:00Z --mark known_range
    consent-stream edge suspects --message m-17 --revert --approved-by kim
    """
    from consent_stream.inspection.suspects import find_suspects
    from consent_stream.inspection.topicread import Unread

    start = None
    if since is not None and (start := parse_instant(since)) is None:
        raise click.BadParameter("an RFC 3339 time with a zone, such as 2026-03-01T00:00:00Z", param_hint="--since")
    if revert and not approved_by:
        raise click.UsageError("--revert needs --approved-by: who looked at them")
    try:
        found = [
            each
            for each in find_suspects(settings, start)
            if (tenant is None or each.tenant == tenant)
            and (message_id is None or each.message_id == message_id)
            and (mark is None or mark in each.marks)
        ]
    except Unread as error:
        raise Unanswered(str(error)) from error
    found.sort()
    if as_json:
        for each in found:
            click.echo(json.dumps({**each._asdict(), "reverted": revert and each.says != "no"}))
    else:
        table = Table("received", "tenant", "message", "says", "type", "marks", "key", box=None, pad_edge=False)
        for each in found:
            texts = (
                each.tenant,
                each.message_id,
                each.says,
                each.type,
                ", ".join(each.marks),
                "".join(each.keys[:1])[:14] + "…",
            )
            table.add_row(clock(each.received), *map(plain, texts))
        console().print(table)
        says = Counter(each.says for each in found)
        click.echo(f"{len(found):,} marked: {says['no']:,} no, {says['yes'] + says['both']:,} yes", err=True)
    if revert:
        _void(settings, [each for each in found if each.says != "no"], approved_by)


def _void(settings: Settings, found: list[Suspect], approved_by: tuple[str, ...]) -> None:
    from consent_stream.inspection.suspects import void_event
    from consent_stream.publisher import Publisher, Unproven

    publisher, proven = Publisher(settings), 0
    try:
        for number, each in enumerate(found, 1):
            publisher.send(number, void_event(each, approved_by))
            proven += sum(1 for _ in publisher.proven())
        proven += sum(1 for _ in publisher.rest())
    except Unproven as error:
        raise click.ClickException(f"{error}; run it again") from error
    click.echo(f"{proven:,} yeses are void; a no stays, only the person undoes it", err=True)
