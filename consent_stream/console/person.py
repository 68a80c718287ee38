"""One person's history and the chain behind an answer, read from the log."""

from __future__ import annotations

from consent_stream.console.search import Sought, Tell
from consent_stream.inspection.gatereports import read_reports
from consent_stream.inspection.history import read_history
from consent_stream.inspection.late import Case
from consent_stream.inspection.why import explain_chain
from consent_stream.inspection.whychain import Chain
from consent_stream.settings import Settings

SETTLE_S = 5.0  # how long the workers may take to work off what is accepted by now


def case_of(sought: Sought) -> Case:
    """The question as `late` knows it."""
    asked = sought.asked
    return Case(
        sought.tenant, sought.channel, sought.purpose, sought.scope, asked.keys, asked.bases, asked.channel, asked.bare
    )


def look_up(settings: Settings, sought: Sought, now: int, tell: Tell) -> Chain:
    """The chain for who is sought. now: µs. Errors: Unread when Kafka or a topic cannot be read."""
    case = case_of(sought)
    history = read_history(settings, (*case.keys, *case.bases), seconds=SETTLE_S, tell=tell)
    reports = list(read_reports(settings))
    return explain_chain(history, case, now=now, reports=reports)
