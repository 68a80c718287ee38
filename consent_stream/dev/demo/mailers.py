"""Both mailers, as the story talks to them: one question put to both, one answer expected of both."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consent_stream.dev.demo.cast import Question
from consent_stream.dev.demo.children import Child

ANSWER_S = 20.0
REACH_S = 30.0
GAPS = frozenset(("stale", "not_ready"))


class NotAsTold(Exception):
    """The demo showed something else than it said; the text says what, without an address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one mailer's gate said. staleness: seconds, None while unknown."""

    allow: bool
    reasons: tuple[str, ...]
    staleness: float | None

    def __str__(self) -> str:
        return "allow" if self.allow else f"deny: {', '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class Turn:
    """The moment a mailer's answer to a watched question turned. at: µs, this machine's clock."""

    mailer: str
    question: int
    at: int
    answer: Answer


class Mailers:
    """Mailer processes. Errors of every method: DevError when one of them ends or falls silent."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = tuple(children)

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return [child.name for child in self._children]

    def ask(self, questions: Sequence[Question], fresh: bool = True) -> list[tuple[Answer, ...]]:
        """The answers to each question, one of each mailer; `fresh` waits out a gap on a machine that is too busy.

        A gap is an answer too, and denies; but the story is about people.
        """
        deadline = time.monotonic() + ANSWER_S
        while True:
            told = {"do": "ask", "questions": [each.to_json() for each in questions]}
            replies = [[_answer(each) for each in reply["answers"]] for reply in self._tell_all(told)]
            answers = list(zip(*replies, strict=True))
            gaps = any(GAPS.intersection(each.reasons) for both in answers for each in both)
            if not fresh or not gaps or time.monotonic() > deadline:
                return answers
            time.sleep(0.1)

    def watch(self, questions: Sequence[Question], before: Sequence[bool]) -> None:
        """From now on every mailer looks at these each millisecond, until the answer is no longer that of `before`."""
        self._tell_all({"do": "watch", "questions": [each.to_json() for each in questions], "before": list(before)})

    def turns(self, count: int) -> list[Turn]:
        """Wait until `count` watched questions have turned at every mailer."""
        found = []
        for child in self._children:
            for _ in range(count):
                reply = json.loads(child.line(REACH_S))
                found.append(Turn(child.name, reply["turned"], reply["at"], _answer(reply)))
        return found

    def reach(self, receipts: Sequence[tuple[int, int]]) -> None:
        """Wait until all that was accepted up to these receipts is enforced at every mailer.

        Errors: NotAsTold when that takes too long.
        """
        told = {"do": "reach", "receipts": receipts, "seconds": REACH_S}
        for child, reply in zip(self._children, self._tell_all(told, REACH_S * 2), strict=True):
            if not reply["reached"]:
                raise NotAsTold(f"{child.name} does not enforce within {REACH_S:g} s what Kafka has accepted")

    def campaign(self, questions: Sequence[Question]) -> None:
        """Give every mailer a list to send to, over and over."""
        self._tell_all({"do": "campaign", "questions": [each.to_json() for each in questions]})

    def tallies(self) -> list[dict[str, Any]]:
        """What each has handed over and refused so far."""
        return self._tell_all({"do": "tally"})

    def await_all(self, questions: Sequence[Question], wanted: Callable[[Answer], bool], seconds: float) -> float:
        """Ask until every mailer's every answer is as wanted; the seconds that took.

        Errors: NotAsTold when it does not come to that in time.
        """
        began = time.monotonic()
        while True:
            answers = [each for both in self.ask(questions, fresh=False) for each in both]
            if all(map(wanted, answers)):
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise NotAsTold(f"after {seconds:g} s the mailers say {sorted({str(each) for each in answers})}")
            time.sleep(0.05)

    def _tell_all(self, told: dict[str, Any], seconds: float = ANSWER_S) -> list[dict[str, Any]]:
        for child in self._children:
            child.tell(json.dumps(told))
        return [json.loads(child.line(seconds)) for child in self._children]


def _answer(reply: dict[str, Any]) -> Answer:
    return Answer(reply["allow"], tuple(reply["reasons"]), reply["staleness_s"])
