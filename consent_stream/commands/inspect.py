"""`consent-stream inspect`: all that the topics hold of one person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from consent_stream.commands.bars import reading_bars
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.person import one_person, person_options
from consent_stream.commands.screen import clock, console, plain, printable
from consent_stream.commands.unanswered import Unanswered
from consent_stream.keyfile import load_keyring
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from consent_stream.domain.registers import Registers
    from consent_stream.inspection.history import History

KINDS = {"address": "address key", "contact": "contact key", "base": "key of the base form (without its tag)"}
SHOWN = 200  # of what happened, the last; --json has all


@click.command()
@person_options
@click.option("--now", is_flag=True, help="How it stands alone, without what happened: reads no ledger.")
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to wait for the workers in.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object. Times in microseconds.")
@settings_options("keys")
def command(settings: Settings, now: bool, timeout: float, as_json: bool, **given: Any) -> int:
    """Show what is known of one person: registers, records of the lists, and what happened, in order.

    What is there, without a verdict: `check` gives that, `why` the reasons. Reads the partitions of these keys, of the
    ledger whole, so it takes a while where that is long; --now does without. No address is shown.

    Exit 0: something is known. 1: nothing. 2: no answer.

    \b
    consent-stream inspect --tenant acme --email ana@example.com
    consent-stream inspect --tenant acme --key 0161001f2e3d4c5b6a79880917263544536271 --now --json
    """
    from consent_stream.inspection.dossier import fields
    from consent_stream.inspection.topicread import Unread
    from consent_stream.inspection.whyread import NoKey

    one_person(given)
    try:
        history, bases = _history(settings, given, now, timeout)
    except NoKey as error:
        raise click.UsageError(str(error)) from error
    except Unread as error:
        raise Unanswered(str(error)) from error
    if as_json:
        click.echo(json.dumps({"tenant": given["tenant"], **fields(history, bases)}))
    else:
        _show(history, bases, now)
    return 0 if history.rows or history.entries or history.facts or history.sends else 1


def _history(settings: Settings, given: dict[str, Any], now: bool, timeout: float) -> tuple[History, tuple[bytes, ...]]:
    from consent_stream.inspection.history import ENTRIES, PARTS, ROWS, read_history
    from consent_stream.inspection.whyread import Asked, NoKey, case_for, check_keys

    keyring = None if settings.keys is None else load_keyring(settings.keys)
    channel, keys = "sms" if given["phone"] else "email", given.pop("hexes")
    case, _ = case_for(Asked(channel=channel, keys=keys, **given), keyring)
    if not case.keys:
        raise NoKey("this is no address")
    if keyring is not None:
        check_keys(settings, keyring)
    with reading_bars() as tell:
        parts = (ROWS, ENTRIES) if now else PARTS
        keys = (*case.keys, *case.bases)
        return read_history(settings, keys, parts=parts, seconds=timeout, tell=tell), case.bases


def _show(history: History, bases: tuple[bytes, ...], now: bool) -> None:
    from consent_stream.inspection.dossier import events, role_of

    screen = console()
    for key in history.keys:
        reg = history.rows.get(key)
        known = _owner(reg) if reg is not None else "nothing is known"
        screen.print(Text.assemble((f"{KINDS[role_of(key, bases)]} {key.hex()}", "bold"), f"  {known}"), soft_wrap=True)
        if reg is not None:
            _show_registers(screen, reg)
        _show_lists(screen, history, key)
    if not now:
        rows = events(history)
        screen.print(Text(f"what happened: {len(rows)} records", style="bold"))
        if len(rows) > SHOWN:
            screen.print(f"  the last {SHOWN}; --json has all")
        for row in rows[-SHOWN:]:
            _show_event(screen, row)
        through = f"accepted before {clock(history.through)}" if history.through else "unknown: is a worker up?"
        screen.print(Text(f"whole through what was {through}", style="dim"))
    for each in history.damaged:
        where = f"{each.topic} {each.place.partition}:{each.place.offset}"
        screen.print(Text(f"cannot be read: {where} ({each.why})", style="yellow"))


def _owner(reg: Registers) -> str:
    from consent_stream.inspection.partwords import stands_for

    links = f", {len(reg.links)} links" if reg.links else ""
    return f"tenant {printable(reg.tenant)}, {' or '.join(stands_for(reg.channels)) or 'nothing yet'}{links}"


def _show_registers(screen: Console, reg: Registers) -> None:
    from consent_stream.inspection.dossier import held

    table = Table("", "", "about", "since", "until", "event", "source", "type", "", box=None, pad_edge=False)
    for part in held(reg):
        since = "" if part.since is None else clock(part.since)
        until = "" if part.until is None else clock(part.until)
        cells = (part.sort, part.what, part.about, since, until, part.event, part.source, part.type, part.more)
        table.add_row(*map(plain, cells))
    if table.row_count:
        screen.print(table)


def _show_lists(screen: Console, history: History, key: bytes) -> None:
    table = Table("list", "status", "reasons", "blocked scopes", "version", "event", "", box=None, pad_edge=False)
    for (name, each), (place, entry) in sorted(history.entries.items()):
        if each == key:
            denied = (", ".join(entry.reasons), ", ".join(entry.blocked_scopes))
            version = f"{entry.version} (generation {entry.generation})"
            where = f"{place.partition}:{place.offset} ← {entry.cause_partition}:{entry.cause_offset}"
            table.add_row(*map(plain, (name, entry.status, *denied, version, entry.cause_id, where)))
    if table.row_count:
        screen.print(table)


def _show_event(screen: Console, row: Any) -> None:
    from consent_stream.commands.tail_lines import text_of

    topic = row.topic.removeprefix("consent.")
    screen.print(Text.assemble(f"{topic:<8}", text_of(row)), soft_wrap=True)
