"""One question to a gate, as `check` and `explain` take it: the flags, the gate, and the wait until it is ready."""

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.text import Text

from consent_stream.commands.instants import instant_given
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.unanswered import Unanswered
from consent_stream.gate import Gate, Question, Verdict
from consent_stream.gate.explaining import ALONE
from consent_stream.settings import Settings, SettingsError

LISTS = ("email", "sms", "sharing")
GLANCE = 0.1  # seconds between two looks at how the gate is getting on

T = TypeVar("T")
_OPTIONS = (
    click.option("--tenant", required=True, help="On whose behalf the message is sent."),
    click.option("--email", help="The e-mail address."),
    click.option("--phone", help="The phone number: E.164, or national with --region."),
    click.option("--key", metavar="HEX", help="A subject key in place of the address, as signed links carry it."),
    click.option("--contact", help="The tenant's own id of the person, when known."),
    click.option("--region", metavar="XX", help="Country of a national phone number."),
    click.option("--channel", type=click.Choice(LISTS), help="Which list. Default: sms with --phone, else email."),
    click.option("--purpose", default="marketing", show_default=True),
    click.option("--scope", default="*", show_default=True, help="A program, or program/topic."),
    click.option("--at", metavar="TIME", help="Decide for that instant (RFC 3339). Default: now."),
    click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to get ready in."),
    click.option("--json", "as_json", is_flag=True, help="The answer as one JSON object."),
)


class Asked:
    """The command line of one question."""

    def __init__(self, settings: Settings, channel: str | None, timeout: float, question: Question) -> None:
        self.question = question
        self._settings, self._timeout = settings, timeout
        self._channel = channel or ("sms" if question.phone is not None else "email")

    def answer(self, ask: Callable[[Gate, Question], T], verdict_of: Callable[[T], Verdict]) -> tuple[T, str | None]:
        """What `ask` makes of it when the gate is ready or the time is up, and what is wrong with the gate if anything.

        Errors: Unanswered when there is no list; click.UsageError for a question that this list cannot be asked.
        """
        with Gate(self._settings, channel=self._channel, report=False) as gate:
            try:
                told = ask(gate, self.question)
                if not set(verdict_of(told).reasons[:1]) & set(ALONE):  # which are known without any list
                    self._get_ready(gate)
                    told = ask(gate, self.question)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            behind = gate.status()
        verdict = verdict_of(told)
        if not verdict and behind.phase in ("connecting", "refused") and verdict.reasons[0] not in ALONE:
            raise Unanswered(behind.trouble or behind.phase)
        return told, behind.trouble

    def _get_ready(self, gate: Gate) -> None:
        deadline = time.monotonic() + self._timeout
        console = Console(stderr=True)
        with console.status("reading the list") as spinner:  # shows on a terminal alone
            while not gate.wait_ready(min(GLANCE, max(0.0, deadline - time.monotonic()))):
                status = gate.status()
                if time.monotonic() >= deadline or status.phase == "refused":
                    break
                spinner.update(Text(status.trouble or status.phase))


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags of one question; it receives `asked` and `as_json`.

    Errors, as exit 2 and one line: not exactly one address, a time that is none, no key file.
    """

    @functools.wraps(command)
    def asking(settings: Settings, channel: str | None, timeout: float, as_json: bool, **given: Any) -> Any:
        if sum(given[name] is not None for name in ("email", "phone", "key")) != 1:
            raise click.UsageError("give exactly one of --email, --phone and --key")
        if settings.keys is None:
            raise SettingsError("keys", "the root key file is needed: without it an address cannot be looked up")
        question = Question(**{**given, "at": instant_given(given["at"], "--at")})
        return command(Asked(settings, channel, timeout, question), as_json)

    decorated = settings_options("keys")(asking)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def head(verdict: Verdict, question: Question, words: dict[str, str]) -> Text:
    """The answer and its reasons in words. No address: what a terminal shows is copied into tickets."""
    word, colour = ("ALLOW", "bold green") if verdict else ("DENY", "bold red")
    text = Text.assemble((word, colour), f"  {question.purpose}, scope {question.scope}")
    for reason in verdict.reasons:
        text.append_text(Text.assemble("\n  ", (reason, "yellow"), f": {words[reason]}"))
    return text


def behind(verdict: Verdict) -> str:
    """How fresh the answer is, in words."""
    return "unknown" if verdict.staleness is None else f"{verdict.staleness:.3f} s behind"
