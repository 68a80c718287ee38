"""One mailer: a process of its own that hands messages over, and asks its gates right before each.

Driven by JSON lines on stdin, answers with JSON lines on stdout:
    {"do": "ask", "questions": […]}             → {"answers": [{"allow", "reasons", "staleness_s"}, …]}
    {"do": "watch", "questions": […], "before": [allow, …]}
                                                → {"watching": COUNT}, then for each the moment its answer has turned:
                                                  {"turned": INDEX, "at": µs, "allow", "reasons"}
    {"do": "reach", "receipts": […], "seconds"} → {"reached": true or false}
    {"do": "campaign", "questions": […]}        → {"campaign": COUNT}; from then on it sends, over and over
    {"do": "tally"}                             → {"handed_over": N, "refused": {reason: N}, "check_us": median}
It prints no address: questions are known by their place in the list.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from statistics import median
from typing import Any

from consent_stream import Gate
from consent_stream.dev.demo.cast import Question
from consent_stream.gate import Verdict
from consent_stream.settings import Settings

CHANNELS = ("email", "sms")
STALENESS_LIMIT_S = 5.0  # of the demo, to have less to wait for; the default is 10
READY_S = 60.0
LOOK_S = 0.001  # between two looks at what is watched, and between two messages of the campaign
GAPS = ("not_ready", "stale")


class Mailer:
    """Gates for both channels, a campaign, and what is being watched."""

    def __init__(self, gates: dict[str, Gate]) -> None:
        self._gates = gates
        self._watched: dict[int, tuple[Question, bool]] = {}
        self._campaign: Iterator[Question] = iter(())
        self._handed_over = 0
        self._refused: Counter[str] = Counter()
        self._spent_ns: deque[int] = deque(maxlen=10_000)

    def obey(self, told: dict[str, Any]) -> dict[str, Any]:
        """Carry one instruction out and answer it."""
        questions = [Question(**asked) for asked in told.get("questions", ())]
        match told["do"]:
            case "ask":
                return {"answers": [_shown(self.check(each)) for each in questions]}
            case "watch":
                self._watched = dict(enumerate(zip(questions, told["before"], strict=True)))
                return {"watching": len(questions)}
            case "reach":
                return {"reached": self._reach(told["receipts"], told["seconds"])}
            case "campaign":
                self._campaign = itertools.cycle(questions)
                return {"campaign": len(questions)}
            case "tally":
                median_us = round(median(self._spent_ns or [0]) / 1000, 1)
                return {"handed_over": self._handed_over, "refused": dict(self._refused), "check_us": median_us}
            case other:
                raise ValueError(f"unknown instruction {other!r}")

    def check(self, asked: Question) -> Verdict:
        """What every mailer does right before it hands a message over."""
        return self._gates[asked.channel].check(
            tenant=asked.tenant,
            email=asked.address if asked.channel == "email" else None,
            phone=asked.address if asked.channel == "sms" else None,
            contact=asked.contact,
            purpose=asked.purpose,
            scope=asked.scope,
        )

    def look(self) -> Iterator[dict[str, Any]]:
        """Which of the watched answers have turned since the last look."""
        for index, (asked, before) in list(self._watched.items()):
            verdict = self.check(asked)
            # A gap denies as well, but it is not what is waited for.
            if verdict.allow != before and not any(gap in verdict.reasons for gap in GAPS):
                at = time.time_ns() // 1000
                del self._watched[index]
                yield {"turned": index, "at": at, **_shown(verdict)}

    def send(self) -> None:
        """Hand the next message of the campaign over, or refuse it."""
        for asked in itertools.islice(self._campaign, 1):
            began = time.perf_counter_ns()
            verdict = self.check(asked)
            self._spent_ns.append(time.perf_counter_ns() - began)
            if verdict:
                self._handed_over += 1  # a real one would speak SMTP here
            else:
                self._refused[verdict.reasons[0]] += 1

    def _reach(self, receipts: list[tuple[int, int]], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        return all(
            gate.wait_for((partition, offset), max(0.0, deadline - time.monotonic()))
            for gate in self._gates.values()
            for partition, offset in receipts
        )


def _shown(verdict: Verdict) -> dict[str, Any]:
    return {"allow": verdict.allow, "reasons": verdict.reasons, "staleness_s": verdict.staleness}


def _instructions() -> queue.Queue[str | None]:
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _say(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


def main() -> None:
    """Run until stdin ends."""
    settings = Settings.read({}, os.environ)
    gates = {channel: Gate(settings, channel=channel, staleness_limit=STALENESS_LIMIT_S) for channel in CHANNELS}
    mailer, lines = Mailer(gates), _instructions()
    for gate in gates.values():
        if not gate.wait_ready(READY_S):
            sys.exit(f"not ready: {gate.status().trouble}")
    _say({"ready": list(gates)})
    while True:
        for turned in mailer.look():
            _say(turned)
        mailer.send()
        try:
            line = lines.get(timeout=LOOK_S)
        except queue.Empty:
            continue
        if line is None:
            break
        _say(mailer.obey(json.loads(line)))
    for gate in gates.values():
        gate.close()


if __name__ == "__main__":
    main()
