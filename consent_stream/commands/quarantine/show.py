"""`consent-stream quarantine show`: one record, by its shape or byte for byte."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from consent_stream.commands.options import settings_options
from consent_stream.commands.quarantine.selecting import PlaceType
from consent_stream.commands.screen import clock, printable
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.inspection.quarantine import Held
    from consent_stream.wire.marks import Mark, Place


@click.command()
@click.argument("place", metavar="P:OFFSET", type=PlaceType())
@click.option("--raw", is_flag=True, help="The value's exact bytes to standard output: into a file or a pipe alone.")
@settings_options()
def command(settings: Settings, place: Place, raw: bool) -> None:
    """Show one record of consent.quarantine: why it is there, what was done with it, and the shape of what was sent.

    Letters are shown as x and digits as 9, but for names of fields and types: an address may be inside. With --raw the
    bytes go to standard output as they are; a terminal is refused, for what it shows is copied into tickets. Keep such
    a file as you keep addresses, and delete it when you are done.

    \b
    consent-stream quarantine show 3:17
    consent-stream quarantine show 3:17 --raw > record.bin
    """
    from consent_stream.inspection.quarantine import find_one, read_marks
    from consent_stream.inspection.topicread import Unread

    if raw and sys.stdout.isatty():
        raise click.UsageError(
            "--raw: addresses may be inside; send it into a file or a pipe, as in --raw > record.bin"
        )
    try:
        held = find_one(settings, place)
        if held is None:
            raise Unanswered(f"no record {place[0]}:{place[1]} in consent.quarantine: it is kept for 90 days")
        if raw:
            sys.stdout.buffer.write(held.value or b"")
            sys.stdout.buffer.flush()
            return
        mark = read_marks(settings).of(held.place, held.written)
    except Unread as error:
        raise Unanswered(str(error)) from error
    _print(held, mark)


def _print(held: Held, mark: Mark | None) -> None:
    from consent_stream.domain.events import MEANINGS
    from consent_stream.inspection.masked import described, masked

    told = {
        "place": f"{held.place[0]}:{held.place[1]}",
        "quarantined": clock(held.written),
        "code": f"{held.code}: {MEANINGS[held.code]}" if held.code in MEANINGS else held.code,
        "message": held.message,
        "stage": held.stage,
        "from": held.origin,
        "events": ", ".join(map(str, held.events)) or "all",
        "may be": "a withdrawal that is not applied" if held.may_be_withdrawal else "no withdrawal, as far as is known",
        "mark": f"{mark.action} at {clock(mark.at)} by {mark.by}: {mark.reason}" if mark else "none",
        "key": f"{len(held.key):,} bytes" if held.key is not None else "none",
        "headers": f"{len(held.headers):,}, {sum(len(raw or b'') for _, raw in held.headers):,} bytes",
        "value": described(held.value) + ("" if held.whole else "; only the beginning of what was sent"),
    }
    for name, text in told.items():
        click.echo(f"{name:<12} {printable(text)}")
    click.echo(f"\n{masked(held.value)}")
