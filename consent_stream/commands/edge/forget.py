"""`consent-stream edge forget`: an edge that will not come back."""

from __future__ import annotations

import getpass

import click
from confluent_kafka import KafkaException

from consent_stream.commands.options import settings_options
from consent_stream.commands.switching import now
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings


@click.command()
@click.argument("ident", metavar="EDGE")
@click.option("--reason", required=True, help="Why; kept in consent.audit.")
@click.option("--by", default=getpass.getuser, show_default="the user's name", help="Who says so.")
@settings_options()
def command(settings: Settings, ident: str, reason: str, by: str) -> None:
    """Let the lists wait no longer for an edge that died. Exit 2 when there is none of that id.

    What it still had on its disk is not enforced, and nobody but that disk can tell whether that is something: start an
    edge on it first if there is a way to. One that is alive is back within a second.

    \b
    consent-stream edge forget 0f8c… --reason "its disk is gone"
    """
    from consent_stream.control import forget_edge
    from consent_stream.inspection.edges import live_edges
    from consent_stream.inspection.topicread import Unread
    from consent_stream.wire.edges import ForgottenEdge

    try:
        if ident not in {each.id for each in live_edges(settings)}:
            raise click.UsageError(f"no edge {ident}: see consent-stream edge list")
        forget_edge(settings, ForgottenEdge(ident, by, reason, now()))
    except Unread as error:
        raise Unanswered(str(error)) from error
    except KafkaException as error:
        raise Unanswered(f"Kafka did not take it: {error.args[0]}") from error
    click.echo(f"forgotten: {ident}")
