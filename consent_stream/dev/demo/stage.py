"""What the acts stand on: the feed, the mailers, the worker, the screen, and the words for "as told"."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consent_stream.dev.demo.cast import Question
from consent_stream.dev.demo.children import Child, Children
from consent_stream.dev.demo.feed import Feed, Sent
from consent_stream.dev.demo.front import Front
from consent_stream.dev.demo.mailers import Answer, Mailers, NotAsTold, Turn
from consent_stream.dev.demo.screen import Screen
from consent_stream.settings import Settings

WORKER_S = 90.0  # until it is ready: a session of its predecessor has to time out first
Reasons = tuple[str, ...]
Told = tuple[Question, Reasons]  # a question and the reasons of the answer; none: allowed


@dataclass
class Stage:
    """One performance. policy: the file that the worker runs under."""

    screen: Screen
    settings: Settings
    policy: Path
    children: Children
    feed: Feed
    mailers: Mailers
    worker: Child
    edge: Front

    def settle(self) -> None:
        """Wait until all that was sent so far is enforced at both mailers."""
        self.mailers.reach(self.feed.furthest())

    def show(self, title: str, told: Sequence[Told]) -> None:
        """Put questions to both mailers and show the answers.

        Errors: NotAsTold when one is not as told.
        """
        answers = self.mailers.ask([question for question, _ in told])
        rows = [
            [question.who, str(question), *map(str, both)] for (question, _), both in zip(told, answers, strict=True)
        ]
        self.screen.table(title, ["who", "may we send …", *self.mailers.names], rows)
        for (question, reasons), both in zip(told, answers, strict=True):
            for answer in both:
                _expect(question, reasons, answer)

    def turn(self, said: bytes | Callable[[], Sent], told: Sequence[Told]) -> tuple[Sent, list[Turn]]:
        """Send one event, or have it sent, and wait for the moment at which each mailer's answer to a question turns.

        Errors: NotAsTold when an answer turned to something else.
        """
        questions = [question for question, _ in told]
        for (question, reasons), both in zip(told, self.mailers.ask(questions), strict=True):
            if any(answer.allow == (not reasons) for answer in both):
                raise NotAsTold(f"{question.who}: {question} is decided before anything was sent")
        self.mailers.watch(questions, before=[bool(reasons) for _, reasons in told])
        sent = self.feed.tell(said) if isinstance(said, bytes) else said()
        turns = self.mailers.turns(len(told))
        for each in turns:
            _expect(*told[each.question], each.answer)
        return sent, turns

    def say_turns(self, what: str, sent: Sent, turns: Sequence[Turn]) -> None:
        """One line on how long each mailer took, and the figures for scripts."""
        took = {name: max(delay_ms(sent, each) for each in turns if each.mailer == name) for name in self.mailers.names}
        shown = ", ".join(f"{name} {ms:.0f} ms" for name, ms in took.items())
        click = (max(each.at for each in turns) - sent.clicked) / 1000
        self.screen.say(
            f"{what}: {shown} after Kafka accepted it (both {click:.0f} ms after the event was made)",
            good=True, enforced_ms=took, since_click_ms=round(click, 1),
        )  # fmt: skip

    def start_worker(self) -> float:
        """Start a worker and wait until it is ready; the seconds that took."""
        began = time.monotonic()
        self.worker = self.children.start("worker", "consent_stream", "worker")
        self.worker.await_line("ready", WORKER_S)
        return time.monotonic() - began


def delay_ms(sent: Sent, turn: Turn) -> float:
    """From Kafka's proof of the event to the first answer that obeys it. (The proof can come after the effect.)"""
    return max(0, turn.at - sent.accepted) / 1000


def _expect(question: Question, reasons: Reasons, answer: Answer) -> None:
    if answer.reasons != reasons or answer.allow == bool(reasons):
        wanted = str(Answer(not reasons, reasons, None))
        raise NotAsTold(f"{question.who}: {question}: the gate says {answer}, and not {wanted}")
