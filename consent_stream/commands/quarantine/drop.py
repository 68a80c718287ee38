"""`consent-stream quarantine drop`: records that somebody looked at and will not put back."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click
from confluent_kafka import KafkaException

from consent_stream.commands.bars import reading
from consent_stream.commands.options import settings_options
from consent_stream.commands.quarantine.asking import confirmed, some
from consent_stream.commands.quarantine.selecting import selection
from consent_stream.commands.switching import now
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.inspection.quarantine import Wanted


@click.command()
@selection(places=True)
@click.option("--reason", required=True, help="Why; kept in consent.audit.")
@click.option("--by", default=getpass.getuser, show_default="the user's name", help="Who says so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options()
def command(settings: Settings, wanted: Wanted, reason: str, by: str, yes: bool) -> None:
    """Mark records of consent.quarantine as done with: lists and alarms leave them out. Nothing is deleted.

    One that may be a withdrawal is a person who said no, until somebody has looked: quarantine show P:OFFSET.

    \b
    consent-stream quarantine drop 3:17 --reason "a test of the form"
    """
    from consent_stream.inspection.quarantine import find
    from consent_stream.inspection.topicread import Unread
    from consent_stream.putback import Signed, drop

    some(wanted, marked=False)
    doubtful = 0
    found = []
    try:
        with reading("quarantine") as told:
            for held, _ in find(settings, wanted, told=told):
                doubtful += held.may_be_withdrawal
                found.append((held.place, held.written))
        if found and not yes:
            confirmed(f"Drop {len(found):,} records, of which {doubtful:,} may be a withdrawal?")
        drop(settings, Signed(by, reason, now()), found)
    except Unread as error:
        raise Unanswered(str(error)) from error
    except KafkaException as error:
        raise Unanswered(f"Kafka did not take it: {error.args[0].str()}") from error
    click.echo(f"{len(found):,} dropped, of which {doubtful:,} may be a withdrawal")
