"""`consent-stream quarantine replay`: records back to where they came from, byte for byte."""

from __future__ import annotations

import getpass
import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click
from confluent_kafka import KafkaException
from rich.table import Table

from consent_stream.commands.bars import reading
from consent_stream.commands.options import settings_options
from consent_stream.commands.quarantine.asking import confirmed, some
from consent_stream.commands.quarantine.selecting import selection
from consent_stream.commands.screen import console, plain
from consent_stream.commands.switching import now
from consent_stream.commands.unanswered import Unanswered
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.commands.quarantine.trial import Outcome
    from consent_stream.domain.policy import Policy
    from consent_stream.inspection.quarantine import Held, Wanted
    from consent_stream.putback import Returned
    from consent_stream.wire.marks import Place

AT_ONCE = 5_000  # records between two marks: what is put back twice by a repeated run, at most
AT_ONCE_BYTES = 16 * 1024 * 1024
NO_POLICY = "not tried: no --policy"

Put = Callable[[list["Held"]], None]


@click.command()
@selection(places=True)
@click.option("--all", "marked", is_flag=True, help="Those too that were replayed or dropped.")
@click.option("--refused", is_flag=True, help="Those too of which no more would be understood: they come back.")
@click.option("--dry-run", is_flag=True, help="Put nothing back; tell what would become of each.")
@click.option("--reason", default="", help="Why; kept in consent.audit.")
@click.option("--by", default=getpass.getuser, show_default="the user's name", help="Who says so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record, then one of counts.")
@settings_options("policy")
def command(
    settings: Settings, wanted: Wanted, marked: bool, refused: bool, dry_run: bool, reason: str, by: str, yes: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Put records of consent.quarantine back: to the topic they came from, with their key, value and headers as sent.

    With --policy (the workers' file) each is tried first by the code of their intake, and those of which no more would
    be understood than was stay. What is put back is received now: a "no" without a time that is believed counts from
    now, a permission only from its own time. Each receipt is printed as PARTITION:OFFSET, and the record marked in
    consent.audit; Ctrl-C ends it between two pieces, and it goes on where it was when it is run again.

    Exit 0: all were put back (--dry-run: would be accepted), 1: some were not, 2: no answer.

    \b
    consent-stream quarantine replay --code unknown_source --since 2h --policy policy.toml --dry-run
    consent-stream quarantine replay 3:17 --policy policy.toml --reason "source registered"
    """
    from consent_stream.inspection.topicread import Unread
    from consent_stream.policyfile import load_policy

    some(wanted, marked)
    policy = load_policy(settings.policy)[0] if settings.policy is not None else None
    if dry_run and policy is None:
        raise click.UsageError("--dry-run asks what would be understood, and that hangs on the workers' --policy")
    survey = _Survey(settings, policy, refused, as_json and dry_run)
    try:
        survey.look(wanted, marked)
        if not as_json:
            survey.show()
        if dry_run:
            if as_json:
                click.echo(json.dumps({"would": dict(survey.counts), "put_back": 0}))
            return 0 if survey.counts.total() == len(survey.chosen) else 1
        if survey.chosen and not yes:
            confirmed(f"Put {len(survey.chosen):,} records back?")
        done = _put_back(settings, wanted, survey.chosen, (by, reason), as_json)
    except Unread as error:
        raise Unanswered(str(error)) from error
    except KafkaException as error:
        raise Unanswered(f"Kafka did not take it: {error.args[0].str()}") from error
    if as_json:
        click.echo(json.dumps({"put_back": done, "left": survey.counts.total() - done}))
    else:
        click.echo(f"{done:,} put back, {survey.counts.total() - done:,} left", err=True)
    return 0 if done == survey.counts.total() else 1


class _Survey:
    """First reading: what would become of each. Only places are kept, for the bytes may be many."""

    def __init__(self, settings: Settings, policy: Policy | None, refused: bool, tell: bool) -> None:
        self._settings, self._policy, self._refused, self._tell = settings, policy, refused, tell
        self.counts: Counter[str] = Counter()
        self.chosen: set[Place] = set()

    def look(self, wanted: Wanted, marked: bool) -> None:
        """Errors: Unread."""
        from consent_stream.inspection.quarantine import find

        with reading("trying") as told:
            for held, _ in find(self._settings, wanted, marked=marked, told=told):
                self._take(held)

    def _take(self, held: Held) -> None:
        from consent_stream.commands.quarantine.trial import outcome
        from consent_stream.inspection.quarantine import destination

        found: Outcome | None = None
        try:
            destination(held, self._settings.topic_prefix)
        except ValueError as error:
            words, fit = f"cannot be put back: {error}", False
        else:
            found = None if self._policy is None else outcome(held, self._policy, now())
            fit = found is None or found.is_progress(held) or self._refused
            words = NO_POLICY if found is None else str(found) if fit else f"stays: {found}"
        self.counts[words] += 1
        if fit:
            self.chosen.add(held.place)
        if self._tell:
            row: dict[str, Any] = {"place": f"{held.place[0]}:{held.place[1]}", "code": held.code, "would": words}
            click.echo(json.dumps(row))

    def show(self) -> None:
        table = Table("records", "would be", box=None, pad_edge=False)
        for words, count in self.counts.most_common():
            table.add_row(f"{count:,}", plain(words))
        console().print(table if self.counts else "no such record that is not done with")


def _put_back(settings: Settings, wanted: Wanted, chosen: set[Place], who: tuple[str, str], as_json: bool) -> int:
    """Second reading: put the chosen back, piece by piece; how many. Errors: Unread; KafkaException."""
    from consent_stream.commands.stopping import asked_to_stop
    from consent_stream.inspection.quarantine import find
    from consent_stream.putback import PutBack, Signed

    if not chosen:
        return 0
    back, done = PutBack(settings, Signed(*who, now()), sorted(chosen)), 0
    with asked_to_stop() as asked:
        for piece in _pieces(held for held, _ in find(settings, wanted, marked=True) if held.place in chosen):
            returned, failed = back.put(piece)
            done += len(returned)
            for each in returned:
                _receipt(each, as_json)
            if failed is not None:
                raise KafkaException(failed)
            if code := asked():
                click.echo(f"stopped: {done:,} put back; run it again for the rest", err=True)
                raise SystemExit(code)
    return done


def _pieces(records: Iterable[Held]) -> Iterable[list[Held]]:
    piece: list[Held] = []
    size = 0
    for held in records:
        piece.append(held)
        size += held.size
        if len(piece) >= AT_ONCE or size > AT_ONCE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _receipt(each: Returned, as_json: bool) -> None:
    place, receipt = f"{each.place[0]}:{each.place[1]}", f"{each.partition}:{each.offset}"
    if as_json:
        click.echo(json.dumps({"place": place, "topic": each.topic, "receipt": receipt}))
    else:
        click.echo(f"{place} → {each.topic} {receipt}")
