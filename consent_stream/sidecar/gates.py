"""The gates behind one sidecar, one a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from consent_stream.gate import Gate, Question, Verdict
from consent_stream.http.problems import Problem
from consent_stream.sidecar.questions import Asked

SLICE = 128  # questions of a batch between two looks at what else there is to do; some milliseconds


class Gates:
    """Asks the gate of a question's channel."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self.by_channel = dict(gates)
        self.channels = tuple(gates)

    def ask(self, asked: Asked) -> Verdict:
        """One answer. Errors: Problem `bad-question` when the gate of that channel knows no such addresses."""
        channel, question = asked
        try:
            (verdict,) = self.by_channel[channel].check_many((question,))
        except ValueError as error:  # the texts are the gate's own and show no values
            raise Problem("bad-question", str(error), field="channel") from None
        return verdict

    async def ask_all(self, batch: Sequence[Asked | Problem]) -> list[Verdict | Problem]:
        """Answers in the order of the batch; problems pass. Others are served in between."""
        answers: list[Verdict | Problem] = []
        for start in range(0, len(batch), SLICE):
            if start:
                await asyncio.sleep(0)
            answers += self._slice(batch[start : start + SLICE])
        return answers

    def _slice(self, batch: Sequence[Asked | Problem]) -> list[Verdict | Problem]:
        """Each gate is asked once for all of its questions: that is faster than one by one."""
        answers: dict[int, Verdict | Problem] = {}
        places: dict[str, list[int]] = {}
        for place, each in enumerate(batch):
            if isinstance(each, Problem):
                answers[place] = each
            else:
                places.setdefault(each[0], []).append(place)
        for channel, mine in places.items():
            asked = [each for each in (batch[place] for place in mine) if not isinstance(each, Problem)]
            answers.update(zip(mine, self._of_one_gate(channel, [question for _, question in asked]), strict=True))
        return [answers[place] for place in range(len(batch))]

    def _of_one_gate(self, channel: str, questions: Sequence[Question]) -> Sequence[Verdict | Problem]:
        try:
            return self.by_channel[channel].check_many(questions)
        except ValueError:  # one of them cannot be asked here; which, the gate says one by one
            return [self._or_problem((channel, question)) for question in questions]

    def _or_problem(self, asked: Asked) -> Verdict | Problem:
        try:
            return self.ask(asked)
        except Problem as problem:
            return problem

    def troubles(self) -> dict[str, str]:
        """By channel, why its gate gives no answers; empty when all do."""
        found = {channel: gate.status() for channel, gate in self.by_channel.items()}
        return {channel: status.trouble or status.phase for channel, status in found.items() if not status.ready}

    def close(self) -> None:
        """Close every gate."""
        for gate in self.by_channel.values():
            gate.close()
