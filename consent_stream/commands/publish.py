"""`consent-stream publish`: events from a file or a pipe, one record a line, as they stand."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from consent_stream.commands.enforced import await_enforced
from consent_stream.commands.lines import read_lines
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.publisher import Publisher, Receipt, Unproven
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin, Unreachable
from consent_stream.wire.topics import EVENTS


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--wait", type=Seconds(), metavar="SECONDS", help="Until enforced in a gate; exit 1 if not in time.")
@click.option("--json", "as_json", is_flag=True, help="Receipts as JSON lines.")
@settings_options()
def command(settings: Settings, file: Path, wait: float | None, as_json: bool) -> None:
    """Send each line of FILE (- is standard input) to consent.events and print its receipt, PARTITION:OFFSET.

    A line is sent as it stands, whatever it holds: the intake judges it. Empty lines are skipped.

    \b
    consent-stream publish events.jsonl
    tail -F events.jsonl | consent-stream publish - --json
    consent-stream publish one-unsubscribe.json --wait 10
    """
    try:
        if EVENTS.full(settings.topic_prefix) not in TopicAdmin(settings).read().live:
            raise click.ClickException(f"no topic {EVENTS.full(settings.topic_prefix)}: consent-stream topics apply")
        receipts = _publish(settings, file, as_json)
    except (Unreachable, Unproven) as error:
        raise click.ClickException(str(error)) from error
    if wait is not None:
        await_enforced(settings, receipts, wait)


def _publish(settings: Settings, file: Path, as_json: bool) -> dict[int, int]:
    """The greatest offset published, by partition."""
    publisher, furthest = Publisher(settings), dict[int, int]()

    def show(receipts: Iterator[Receipt]) -> None:
        for each in receipts:
            furthest[each.partition] = max(each.offset, furthest.get(each.partition, -1))
            click.echo(_receipt_line(each, as_json))

    for number, line in read_lines(file):
        # The record is the line to the last byte: only its newline goes. A lone carriage return is an empty line too.
        if line.rstrip(b"\r\n"):
            publisher.send(number, line.removesuffix(b"\n"))
        show(publisher.proven())
    show(publisher.rest())
    return furthest


def _receipt_line(receipt: Receipt, as_json: bool) -> str:
    if not as_json:
        return f"{receipt.partition}:{receipt.offset}"
    return json.dumps({"line": receipt.line, "partition": receipt.partition, "offset": receipt.offset})
