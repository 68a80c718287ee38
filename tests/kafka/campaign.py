"""A mailer for tests, a process of its own: `python -m tests.kafka.campaign WAY FILE`, FILE a JSON list of questions.

Ways: `good` asks right before each hand-over; `ignoring` never looks; `holding` takes permits for all, waits for a line
on stdin, and hands over on the old answers. A campaign goes round until its stdin ends; it says `ready`, and at the end
how many messages it brought to its gate. Names of messages: WAY-ROUND-NUMBER.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from consent_stream import Gate
from consent_stream.settings import Settings

READY_S = 30
PAUSE_S = 0.002  # between two messages, so that tests leave the machine to others


def good(gate: Gate, question: dict[str, Any], message_id: str) -> None:
    with gate.sending(**question, message_id=message_id) as permit:
        if permit.ensure():
            time.sleep(PAUSE_S / 2)  # a mail server


def ignoring(gate: Gate, question: dict[str, Any], message_id: str) -> None:
    with gate.sending(**question, message_id=message_id):
        time.sleep(PAUSE_S / 2)


def hold(gate: Gate, questions: list[dict[str, Any]]) -> int:
    with ExitStack() as blocks:
        permits = [
            blocks.enter_context(gate.sending(**question, message_id=f"holding-0-{number}"))
            for number, question in enumerate(questions)
        ]
        assert all(permits)
        print("holding", flush=True)
        sys.stdin.readline()
    return len(questions)


def campaign(gate: Gate, way: str, questions: list[dict[str, Any]]) -> int:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    sent = 0
    for lap in count():
        for number, question in enumerate(questions):
            if over.is_set():
                return sent
            {"good": good, "ignoring": ignoring}[way](gate, question, f"{way}-{lap}-{number}")
            sent += 1
            time.sleep(PAUSE_S)
    raise AssertionError


def main() -> None:
    way, questions = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    with Gate(Settings.read({"sender": f"{way}-mailer"}, os.environ)) as gate:
        if not gate.wait_ready(READY_S):
            sys.exit(f"not ready: {gate.status().trouble}")
        print("ready", flush=True)
        sent = hold(gate, questions) if way == "holding" else campaign(gate, way, questions)
        status = gate.status()
    lost = gate.status().alarms.get("sends_lost", 0)
    print(json.dumps({"sent": sent, "lost": lost, "alarms": dict(status.alarms)}), flush=True)


if __name__ == "__main__":
    main()
