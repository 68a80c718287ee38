"""A small mailer: for each message, ask the gate right before handing it over.

    python examples/mailer.py < examples/messages.jsonl
    python examples/mailer.py --every 5 examples/messages.jsonl      # a campaign that never ends

A message is one JSON object a line: `id`, and the arguments of `Gate.check` by name. What comes out names the message
and never the address. Settings come from the environment: CONSENT_BOOTSTRAP, CONSENT_KEYS, …
"""

import argparse
import json
import os
import sys
import time
from typing import Any, TextIO

from consent_stream import Gate
from consent_stream.settings import Settings

READY_S = 60


def hand_over(message: dict[str, Any]) -> None:
    """Where a real mailer speaks SMTP."""


def send(message: dict[str, Any], gates: dict[str, Gate]) -> dict[str, Any]:
    """Hand a message over if its gate allows it; what became of it."""
    question = {name: value for name, value in message.items() if name != "id"}
    verdict = gates["sms" if "phone" in question else "email"].check(**question)
    if verdict:
        hand_over(message)
    return {"message": message["id"], "sent": verdict.allow, "reasons": verdict.reasons, "behind_s": verdict.staleness}


def main() -> None:
    """Send the messages of a file, once or over and over."""
    parser = argparse.ArgumentParser(description="Ask the gate, then hand over.")
    parser.add_argument("file", nargs="?", type=argparse.FileType(), default=sys.stdin)
    parser.add_argument("--every", type=float, metavar="SECONDS", help="send all of them again, so often")
    told = parser.parse_args()
    messages = read(told.file)
    settings = Settings.read({}, os.environ)
    with Gate(settings, channel="email") as email, Gate(settings, channel="sms") as sms:
        for gate in (email, sms):
            if not gate.wait_ready(READY_S):  # it denies until it is; say why, and go on: it recovers by itself
                print(f"not ready: {gate.status().trouble}", file=sys.stderr)
        while True:
            for message in messages:
                print(json.dumps(send(message, {"email": email, "sms": sms})), flush=True)
            if told.every is None:
                break
            time.sleep(told.every)


def read(file: TextIO) -> list[dict[str, Any]]:
    """The messages of a file, one a line."""
    return [json.loads(line) for line in file if line.strip()]


if __name__ == "__main__":
    main()
