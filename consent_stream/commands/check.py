"""`consent-stream check`: one answer of a gate, for people and scripts."""

import json

import click
from rich.text import Text

from consent_stream.commands.asking import Asked, behind, head, question_options
from consent_stream.commands.screen import console
from consent_stream.gate import Question, Verdict
from consent_stream.gate.explaining import WORDS


@click.command()
@question_options
def command(asked: Asked, as_json: bool) -> int:
    """Ask a gate whether one person may be sent something. Exit 0: yes, 1: no, 2: no answer could be found.

    Freshness is that of now, whatever --at says. A gate that has not caught up in time answers no (not_ready, stale).

    \b
    consent-stream check --tenant acme --email ana@example.com --scope news
    consent-stream check --tenant acme --phone +12015550123 --purpose transactional --json
    """
    verdict, trouble = asked.answer(lambda gate, q: gate.check_many([q])[0], lambda told: told)
    if as_json:
        click.echo(json.dumps(_fields(verdict)))
    else:
        _tell(verdict, asked.question, trouble)
    return 0 if verdict else 1


def _fields(verdict: Verdict) -> dict[str, object]:
    return {
        "allow": verdict.allow,
        "reasons": verdict.reasons,
        "facts": verdict.facts,
        "version": verdict.version,
        "applied_through": verdict.applied_through,
        "staleness_s": verdict.staleness,
    }


def _tell(verdict: Verdict, question: Question, trouble: str | None) -> None:
    screen = console()
    screen.print(head(verdict, question, WORDS))
    if verdict.facts:
        screen.print(Text(f"  by event {', '.join(verdict.facts)}"))
    screen.print(Text(f"  version {verdict.version}; freshness: {behind(verdict)}", style="dim"))
    if trouble and not verdict:
        screen.print(Text(f"  {trouble}", style="dim"))
