"""`consent-stream tail`: what changes, as it happens."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Container, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from consent_stream.commands.instants import Instant
from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import console, printable
from consent_stream.commands.unanswered import answering
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import Message

    from consent_stream.inspection.following import Following
    from consent_stream.inspection.records import Row
    from consent_stream.inspection.wanted import Wanted
    from consent_stream.wire.topics import Topic

TOPICS = (
    "changes", "ledger", "state", "sends", "quarantine", "suppression.email", "suppression.sms", "suppression.sharing",
)  # fmt: skip
CHANNELS = ("email", "sms", "sharing", "contact")
# A quarantined record is nobody's: only its code, stage, topic and key are known.
NOT_OF_QUARANTINE = ("tenants", "channels", "purposes", "types")
GRACE = 2_000_000  # microseconds after --until in which a record may still arrive
SKEW = 3_600_000_000  # microseconds by which the clocks of those who write may differ
RECHECK = 30.0  # seconds between two looks which generation gates obey
WHOLE = 38  # hex digits of a subject key


class _Topic(click.Choice[str]):
    """Their names with and without `consent.`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(super().convert(str(value).removeprefix("consent."), param, ctx))


def _several(
    flag: str, name: str, told: str, what: click.ParamType | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(flag, name, multiple=True, type=what, help=f"{told} May be given several times.")


@click.command()
@click.option("--topic", type=_Topic(TOPICS), default="changes", show_default=True, help="Which topic.")
@_several("--tenant", "tenants", "Of this tenant.")
@_several("--channel", "channels", "Of this list.", click.Choice(CHANNELS))
@_several("--purpose", "purposes", "Concerning this purpose.")
@_several("--kind", "kinds", "See above.")
@_several("--reason", "reasons", "With this reason, before or after.")
@_several("--type", "types", "By an event of this type, as unsubscribe.oneclick.")
@_several("--source", "sources", "From this source (of sends: by this sender).")
@click.option("--key", metavar="HEX", default="", help="Of the subject key that begins so.")
@click.option("--since", type=Instant(), help="Written at or after it: RFC 3339, or 90s, 5m, 2h, 3d ago.")
@click.option("--until", type=Instant(), help="Written before it.")
@click.option("--max", "most", type=click.IntRange(1), metavar="N", help="End after so many.")
@click.option("--follow/--no-follow", default=None, help="Go on at the end. Default: unless --until is past.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line. Times in microseconds.")
@settings_options()
def command(
    settings: Settings, topic: str, key: str, since: int | None, until: int | None, most: int | None,
    follow: bool | None, as_json: bool, **several: tuple[str, ...],
) -> int:  # fmt: skip
    """Show records of a topic as they come: who may not be mailed any more, who may again, and why.

    From now on; from --since, in the order of time; or with --no-follow all that there is. Keys in hex, never an
    address. A line tells: written at, list, tenant, key, before → after, what, type, source and id of the event, the
    place of the record, the place of the event in consent.events, and how long after its acceptance this was written.
    Ctrl-C ends it. Joins no group; reads the generation that gates obeyed when it began.

    \b
    --kind is, of
      changes      tighter, looser, other
      ledger       a restriction (unsubscribed, …), grant, lift, void, birth, bounced, delivered, request, link
      state        the same
      sends        handed_over, held_back, failed, not_attempted, unclear
      quarantine   the stage: intake, state (--reason is the code, --source the topic it came from)
      suppression  suppressed, partial, clear

    \b
    consent-stream tail --tenant acme --kind looser
    consent-stream tail --topic sends --since 1h --no-follow --reason stale --json
    consent-stream tail --key 0161001f2e3d4c5b --since 30d
    """
    from consent_stream.inspection.records import READERS, kinds_of
    from consent_stream.inspection.wanted import Wanted

    declared = next(each for each in READERS if each.name.removeprefix("consent.") == topic)
    wanted = Wanted(**several, key=_hex(key), since=since, until=until)
    if not (known := kinds_of(declared)).issuperset(wanted.kinds):
        raise click.BadParameter(f"of {topic} it is one of {', '.join(sorted(known))}", param_hint="--kind")
    if topic == "quarantine" and any(several[name] for name in NOT_OF_QUARANTINE):
        raise click.UsageError("a quarantined record has no tenant, list, purpose or type: use --reason (code), --kind")
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until: there is nothing in between")
    live = follow if follow is not None else until is None or until > _now()
    return tail(settings, declared, wanted, live, most, _printer(as_json))


def _hex(key: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{0,38}", key.lower(), re.ASCII):
        raise click.BadParameter("the beginning of a subject key is at most 38 hex digits", param_hint="--key")
    return key.lower()


def tail(
    settings: Settings,
    topic: Topic,
    wanted: Wanted,
    live: bool,
    most: int | None,
    show: Callable[[Iterable[Row]], None],
) -> int:
    """Show what is wanted until it is over or somebody ends it. Errors: Unanswered."""
    from consent_stream.commands.stopping import asked_to_stop
    from consent_stream.inspection.following import Following
    from consent_stream.topics import active_generation

    with answering():
        generation = active_generation(settings)
        only = _partitions(wanted.key, topic)
        following = Following(settings, topic, generation, since=wanted.since, live=live, say=_say, only=only)
        with asked_to_stop() as asked:
            return _show(following, wanted, most, show, _Ending(settings, generation, asked))


def _partitions(key: str, topic: Topic) -> Callable[[int], Container[int]] | None:
    """Where the records of one whole key lie; a quarantined record lies anywhere."""
    from consent_stream.inspection.placement import partition_of
    from consent_stream.wire.topics import QUARANTINE

    if len(key) != WHOLE or topic is QUARANTINE:
        return None
    return lambda count: {partition_of(bytes.fromhex(key), count)}


def _show(
    following: Following,
    wanted: Wanted,
    most: int | None,
    show: Callable[[Iterable[Row]], None],
    ending: _Ending,
) -> int:
    from itertools import islice

    left = most
    with closing(following.batches()) as batches:
        for batch in batches:
            rows = list(islice(_rows(following, batch, wanted), left))
            if rows:
                show(rows)
            left = None if left is None else left - len(rows)
            if left == 0 or ending.asked(following):
                break
            if wanted.until is not None and _beyond(wanted.until, batch, following.catching_up):
                break
    return 0


class _Ending:
    """Whether somebody asked it to end; and meanwhile a word when it shows what gates do not obey any more."""

    def __init__(self, settings: Settings, generation: int, stopped: Callable[[], int]) -> None:
        self._settings, self._generation, self._stopped = settings, generation, stopped
        self._checked = time.monotonic()

    def asked(self, following: Following) -> bool:
        """Called between two batches."""
        rebuilt = following.topic.rebuilt and not following.away
        if rebuilt and time.monotonic() - self._checked > RECHECK:
            self._checked = time.monotonic()
            self._see_generation()
        return bool(self._stopped())

    def _see_generation(self) -> None:
        from confluent_kafka import KafkaException

        from consent_stream.topics import Unreachable, active_generation
        from consent_stream.wire.avro import WireError

        try:
            now = active_generation(self._settings)
        except (KafkaException, Unreachable, WireError):  # no reason to end what is read from another topic
            return
        if now != self._generation:
            _say(f"gates obey generation {now} from now on, and this shows {self._generation}: begin it again")
            self._generation = now


def _beyond(until: int, batch: list[Message], catching_up: bool) -> bool:
    """Whether nothing more can come that was written before."""
    if batch:
        return bool(batch[-1].timestamp()[1] * 1000 > until + SKEW)
    return not catching_up and _now() > until + GRACE


def _rows(following: Following, batch: list[Message], wanted: Wanted) -> Iterable[Row]:
    from consent_stream.inspection.records import Raw, row_of

    for message in batch:
        kind, at = message.timestamp()
        place = (message.partition(), message.offset(), at * 1000 if kind else None)
        raw = Raw(*place, message.key(), message.value(), message.headers() or ())
        if wanted.may_hold(raw):
            row = row_of(following.topic, raw)
            if row is not None and wanted.holds(row):
                yield row


def _printer(as_json: bool) -> Callable[[Iterable[Row]], None]:
    from consent_stream.commands.tail_lines import json_line, text_of

    def objects(rows: Iterable[Row]) -> None:
        sys.stdout.write("".join(json_line(row).decode() for row in rows))
        sys.stdout.flush()

    def plain(rows: Iterable[Row]) -> None:  # rich lays out what nobody sees, at a hundred microseconds a line
        sys.stdout.write("".join(f"{text_of(row).plain}\n" for row in rows))
        sys.stdout.flush()

    screen = console()

    def coloured(rows: Iterable[Row]) -> None:
        for row in rows:
            screen.print(text_of(row), soft_wrap=True)

    return objects if as_json else coloured if screen.is_terminal else plain


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(f"consent-stream: {printable(text)}", markup=False, soft_wrap=True)


def _now() -> int:
    return time.time_ns() // 1000
