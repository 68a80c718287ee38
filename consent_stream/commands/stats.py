"""`consent-stream stats`: how many stand how on the lists, and how many changed."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from consent_stream.commands.bars import Tell, reading_bars
from consent_stream.commands.instants import Instant
from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import clock, console, plain
from consent_stream.commands.unanswered import Unanswered, answering
from consent_stream.domain.times import DAY
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.inspection.changecount import ChangeCount
    from consent_stream.inspection.rowcount import Tally

LISTS = ("email", "sms", "sharing")
SHOWN = 20  # rows of a table for people; --json has all


@click.command()
@click.option("--changes", is_flag=True, help="Count what changed, by hour, reason, type, tenant and list.")
@click.option("--since", type=Instant(), help="Changes of events accepted at or after it. Default: 1d ago.")
@click.option("--until", type=Instant(), help="Changes of events accepted before it. Default: now.")
@click.option("--tenant", help="Of this tenant alone.")
@click.option("--channel", type=click.Choice(LISTS), help="Of this list alone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object. Times in microseconds.")
@settings_options()
def command(
    settings: Settings, changes: bool, since: int | None, until: int | None, tenant: str | None, channel: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Count subject keys on the lists now, by status, reason, purpose and tenant; or with --changes what changed.

    For on-call: the numbers are exact, and a small one may be about somebody who can be recognised. What is handed on
    is for `consent-stream report`, which rounds and leaves out. A key is an address or a contact, so a person may be
    several. Purposes: keys with a restriction, and with a grant, whether still in force or not; status and reasons are
    what the lists say. Reads the lists once; which record of a key is the newest is kept in a temporary file.

    \b
    consent-stream stats
    consent-stream stats --changes --since 6h --tenant acme
    """
    if not changes and (since is not None or until is not None):
        raise click.UsageError("--since and --until are for --changes: lists only tell how it is now")
    if changes:
        since = time.time_ns() // 1000 - DAY if since is None else since
        if until is not None and since >= until:
            raise click.UsageError("--since is not before --until: there is nothing in between")
        found = _answered(
            lambda generation, tell: _changes(settings, generation, since, until, tenant, channel, tell), settings
        )
        _print_changes(found, as_json)
        return 0
    lists = (channel,) if channel else LISTS
    told = _answered(lambda generation, tell: _lists(settings, generation, lists, tenant, tell), settings)
    _print_lists(told, as_json)
    return 0


def _answered(count: Callable[[int, Tell], Any], settings: Settings) -> Any:
    from consent_stream.topics import active_generation

    try:
        with answering(), reading_bars() as tell:
            return count(active_generation(settings), tell)
    except sqlite3.Error as error:
        raise Unanswered(f"the temporary file (SQLITE_TMPDIR, TMPDIR): {error}") from error


Tallies = dict[str, dict[str, "Tally"]]  # list → tenant → tally


def _lists(settings: Settings, generation: int, lists: tuple[str, ...], tenant: str | None, tell: Tell) -> Tallies:
    from consent_stream.inspection.rowcount import RowCount
    from consent_stream.inspection.topicread import read
    from consent_stream.wire.topics import SUPPRESSION

    found: Tallies = {}
    for each in lists:
        topic = SUPPRESSION[each]
        with closing(RowCount()) as counting:
            for batch in read(settings, topic, generation, told=partial(tell, each)):
                counting.add((message.key(), message.value()) for message in batch)
            tallies = counting.tallies()
        # A record that cannot be read may be of anybody.
        found[each] = {name: tally for name, tally in tallies.items() if tenant in (None, name) or not name}
    return found


def _changes(
    settings: Settings, generation: int, since: int | None, until: int | None, tenant: str | None, channel: str | None,
    tell: Tell,
) -> ChangeCount:  # fmt: skip
    from consent_stream.inspection.changecount import ChangeCount
    from consent_stream.inspection.topicread import read
    from consent_stream.wire.avro import WireError
    from consent_stream.wire.change import decode_change
    from consent_stream.wire.topics import CHANGES

    counting = ChangeCount(since, until, tenant, channel)
    # A change is written after its event was accepted, but by another clock.
    begin = None if since is None else since - DAY // 24
    for batch in read(settings, CHANGES, generation, since=begin, told=partial(tell, "changes")):
        for message in batch:
            try:
                counting.add(decode_change(message.value() or b""))
            except WireError:
                counting.unreadable += 1
    return counting


def _print_lists(found: Tallies, as_json: bool) -> None:
    from consent_stream.inspection.rowcount import total

    whole = {name: total(tallies.values()) for name, tallies in found.items()}
    if as_json:
        told = {
            name: {**whole[name].fields(), "tenants": {who: tally.fields() for who, tally in sorted(tallies.items())}}
            for name, tallies in found.items()
        }
        click.echo(json.dumps({"lists": told}))
        return
    _print("list", whole)
    for name, tallies in found.items():
        if len(tallies) > 1:
            _print(f"{name}: tenant", tallies)
        _print_tally(name, whole[name])


def _print(first: str, tallies: dict[str, Tally]) -> None:
    statuses = sorted({status for tally in tallies.values() for status in tally.status})
    table = _table(first, "keys", *map(plain, statuses))
    largest = sorted(tallies.items(), key=lambda each: -each[1].keys)
    for name, tally in largest[:SHOWN]:
        table.add_row(plain(name) or "?", *map(str, (tally.keys, *(tally.status[status] for status in statuses))))
    console().print(table)
    _print_left(len(largest))


def _print_tally(name: str, tally: Tally) -> None:
    if tally.reasons:
        table = _table(f"{name}: reason", "keys")
        for reason, count in tally.reasons.most_common():
            table.add_row(plain(reason), str(count))
        console().print(table)
    purposes = tally.fields()["purposes"]
    if purposes:
        table = _table(f"{name}: purpose", "restricted", "granted")
        for purpose, counts in purposes.items():
            table.add_row(plain(purpose), str(counts["restricted"]), str(counts["granted"]))
        console().print(table)


def _print_changes(found: ChangeCount, as_json: bool) -> None:
    told = found.fields()
    if as_json:
        click.echo(json.dumps(told))
        return
    screen = console()
    hours = _table("hour", "tighter", "looser", "other")
    for row in told["hours"][-2 * SHOWN :]:
        hours.add_row(clock(row["hour"])[:16] + "Z", *(str(row[way]) for way in ("tighter", "looser", "other")))
    reasons = _table("reason", "gained", "lost")
    for reason, counts in sorted(told["reasons"].items(), key=lambda each: -sum(each[1].values())):
        reasons.add_row(plain(reason), str(counts["gained"]), str(counts["lost"]))
    for table in (hours, reasons):
        if table.row_count:
            screen.print(table)
    for name in ("types", "tenants", "channels"):
        if told[name]:
            table = _table(name.removesuffix("s"), "changes")
            for each, count in list(told[name].items())[:SHOWN]:
                table.add_row(plain(each), str(count))
            screen.print(table)
            _print_left(len(told[name]))
    screen.print(f"{found.changes} changes" + (f", {found.unreadable} cannot be read" if found.unreadable else ""))


def _table(first: str, *numbers: str) -> Table:
    table = Table(first, box=None, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _print_left(rows: int) -> None:
    if rows > SHOWN:
        console().print(f"… and {rows - SHOWN} more: --json has all")
