"""`consent-stream quarantine list`: how many, by code, and where each lies."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from typing import TYPE_CHECKING

import click
from rich.table import Table

from consent_stream.commands.bars import reading
from consent_stream.commands.options import settings_options
from consent_stream.commands.quarantine.selecting import selection
from consent_stream.commands.screen import clock, console, plain
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.inspection.quarantine import Held, Wanted
    from consent_stream.wire.marks import Mark

MOST_CODES = 200  # anybody who may write there may invent some
OTHERS = ("(others)", "", "")


@click.command()
@selection(places=False)
@click.option("--all", "marked", is_flag=True, help="Those too that were replayed or dropped.")
@click.option("--max", "most", type=click.IntRange(0), default=50, show_default=True, help="Rows: the newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record (all of them), then one of counts.")
@settings_options()
def command(settings: Settings, wanted: Wanted, marked: bool, most: int, as_json: bool) -> int:
    """Count what is in quarantine and not done with, and tell where the newest of it lies. Nothing of what was sent.

    `may be a no` marks what may be somebody's withdrawal that is not applied: begin with these.
    Exit 0: there is nothing, 1: there is something, 2: no answer.

    \b
    consent-stream quarantine list --withdrawals
    consent-stream quarantine list --code unknown_source --since 2h --json
    """
    from consent_stream.inspection.quarantine import fields, find
    from consent_stream.inspection.topicread import Unread

    counts: Counter[tuple[str, str, str]] = Counter()
    doubtful = 0
    newest: list[tuple[int, tuple[int, int], Held, Mark | None]] = []
    try:
        with reading("quarantine") as told:
            for held, mark in find(settings, wanted, marked=marked, told=told):
                kind = (held.code, held.stage, held.topic)
                counts[kind if kind in counts or len(counts) < MOST_CODES else OTHERS] += 1
                doubtful += held.may_be_withdrawal and mark is None
                if as_json:
                    click.echo(json.dumps(fields(held, mark)))
                elif most:
                    row = (held.written, held.place, held, mark)
                    heapq.heappush(newest, row) if len(newest) < most else heapq.heappushpop(newest, row)
    except Unread as error:
        raise Unanswered(str(error)) from error
    if as_json:
        told_counts = [
            {"code": code, "stage": stage, "topic": topic, "records": n}
            for (code, stage, topic), n in counts.most_common()
        ]
        click.echo(json.dumps({"records": counts.total(), "may_be_withdrawals": doubtful, "counts": told_counts}))
    else:
        _print(counts, doubtful, [row[2:] for row in sorted(newest, reverse=True, key=lambda row: row[:2])])
    return 1 if counts else 0


def _print(counts: Counter[tuple[str, str, str]], doubtful: int, rows: list[tuple[Held, Mark | None]]) -> None:
    if not counts:
        click.echo("nothing is in quarantine that is not done with")
        return
    screen = console()
    table = Table("records", "code", "stage", "from", box=None, pad_edge=False)
    for kind, count in counts.most_common():
        table.add_row(f"{count:,}", *map(plain, kind))
    screen.print(table)
    screen.print(f"{counts.total():,} records, {doubtful:,} of them may be a withdrawal that is not applied\n")
    if rows:
        screen.print(_rows(rows))
    if left := counts.total() - len(rows):
        screen.print(f"… and {left:,} older: --max, or --json for all")


def _rows(rows: list[tuple[Held, Mark | None]]) -> Table:
    table = Table("place", "quarantined", "code", "stage", "from", "bytes", "", "", box=None, pad_edge=False)
    for held, mark in rows:
        doubt = "may be a no" if held.may_be_withdrawal else ""
        done = f"{mark.action.removeprefix('quarantine.')} by {mark.by}: {mark.reason}" if mark else ""
        cells = (f"{held.place[0]}:{held.place[1]}", clock(held.written), held.code, held.stage, held.origin)
        table.add_row(*map(plain, (*cells, f"{held.size:,}", doubt, done)))
    return table
