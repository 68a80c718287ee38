"""`consent-stream explain`: why a gate answers as it does, in words first, ids after."""

import json
from datetime import UTC, datetime

import click
from rich.table import Table
from rich.text import Text

from consent_stream.commands.asking import Asked, behind, head, question_options
from consent_stream.commands.screen import console
from consent_stream.gate.explaining import Explanation, Told

COMES_TO = {
    "stands": "forbids it",
    "lifted": "was lifted",
    "cleared": "was cleared by a later grant",
    "not_asked": "does not matter for what the law requires",
    "counts": "permits it",
    "void": "is void",
    "not_yet": "does not count yet",
    "expired": "has expired",
    "too_weak": "is too weak",
}
KEYS = {"address": "the address", "contact": "the contact", "base": "the address without its tag"}
NEVER = 253_402_300_799_000_000  # the last second that a calendar of ours has


@click.command()
@question_options
def command(asked: Asked, as_json: bool) -> int:
    """Tell why one person may or may not be sent something. Exit 0: yes, 1: no, 2: no answer could be found.

    The answer is that of `check`. Beside it: which keys were looked up, every fact that concerns the question and what
    it comes to, the rules of the tenant, and how fresh it all is. No address is shown.

    \b
    consent-stream explain --tenant acme --email ana@example.com --scope news
    """
    told, trouble = asked.answer(lambda gate, q: gate.explain(**q._asdict()), lambda told: told.verdict)
    if as_json:
        click.echo(json.dumps(told.fields()))
    else:
        _tell(told, asked, trouble)
    return 0 if told else 1


def _tell(told: Explanation, asked: Asked, trouble: str | None) -> None:
    screen = console()
    screen.print(head(told.verdict, asked.question, told.words))
    for key in told.keys:
        screen.print(Text(f"  of {KEYS[key.kind]} {'there is a row' if key.found else 'nothing is known'}"))
    if told.facts:
        screen.print(_table(told))
    if told.rules is not None:
        screen.print(Text(f"  {_rules(told)}"))
    fresh = f"freshness: {behind(told.verdict)}, of {told.limit:g} s that are allowed"
    screen.print(Text(f"  version {told.verdict.version}; {fresh}", style="dim"))
    for key in told.keys:
        screen.print(Text(f"  {key.kind} key {key.key}", style="dim"), soft_wrap=True)
    if trouble and not told:
        screen.print(Text(f"  {trouble}", style="dim"))


def _table(told: Explanation) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "fact", "about", "since", "event"):
        table.add_column(name, overflow="fold")
    for fact in told.facts:
        about = f"{fact.node} (base form)" if fact.base else fact.node
        cells = (COMES_TO[fact.comes_to], _fact(fact), about, _time(fact.since), _plain(fact.event))
        table.add_row(*(Text(each) for each in cells))
    return table


def _plain(text: str) -> str:
    """An id is what a sender chose: it can neither colour nor move what is shown."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _fact(fact: Told) -> str:
    if fact.level is None:
        return fact.kind
    until = "" if fact.valid_until is None else f" until {_time(fact.valid_until)}"
    return f"grant E{fact.level}{until}"


def _rules(told: Explanation) -> str:
    rules = told.rules
    assert rules is not None
    whose = "rules of the tenant" if rules.known else "the tenant is not in the policy: default rules"
    migrated = ", or imported (E1) where nothing forbids" if rules.allow_migrated else ""
    return f"{whose}: basis {rules.basis}; evidence of E{rules.min_evidence} or more{migrated}"


def _time(micros: int) -> str:
    if not -62_135_596_800_000_000 <= micros <= NEVER:
        return "ever" if micros > 0 else "always"
    return datetime.fromtimestamp(micros // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
