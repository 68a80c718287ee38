"""A mailer: messages into a queue on disk, each asked about at the last moment, handed over by SMTP.

    python examples/mailer < examples/messages.jsonl                                    # a trial, nothing is sent
    python examples/mailer --outbox outbox.db --smtp mail.example.com:587 --starttls messages.jsonl

A message is one JSON object a line: `id`, the arguments of `Gate.check` by name, `subject` and `text`. Every line that
comes out names a message, and never an address. Ends when the queue is empty. Settings of the gate come from the
environment (CONSENT_BOOTSTRAP, CONSENT_KEYS, …), a login from SMTP_USER and SMTP_PASSWORD.
"""

import argparse
import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from dispatch import Dispatcher
from outbox import Outbox
from smtp import Mail

from consent_stream import Gate
from consent_stream.links import Sender
from consent_stream.publisher import Publisher
from consent_stream.settings import Settings

READY_S = 60
ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # it stands in a header, a link and a topic: no address, and no quoting


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Ask the gate, then hand over.")
    parser.add_argument("file", nargs="?", type=argparse.FileType(), default=sys.stdin)
    parser.add_argument("--outbox", default=":memory:", help="the queue's file; without it a crash loses the queue")
    parser.add_argument("--smtp", metavar="HOST:PORT", help="without it nothing is handed over: a trial")
    parser.add_argument("--starttls", action="store_true")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="of the mail server")
    parser.add_argument("--sender", default="News <news@example.com>")
    parser.add_argument("--edge", default="https://consent.example.com", metavar="URL", help="where links lead")
    parser.add_argument("--unsubscribe-mail", default="unsubscribe@example.com", help="read by the edge")
    parser.add_argument("--bounce-source", default="/mta", help="the source of bounces, as the policy has it")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--every", type=float, metavar="SECONDS", help="take all messages on again, so often")
    return parser.parse_args()


def read(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The messages of a file. Errors: ValueError, naming the line."""
    for number, line in enumerate(lines, 1):
        message = json.loads(line)
        if not (isinstance(message, dict) and ID.fullmatch(str(message.get("id"))) and "tenant" in message):
            raise ValueError(f"line {number}: a message has an id ({ID.pattern}) and a tenant")
        if ("email" in message) == ("phone" in message):
            raise ValueError(f"line {number}: a message goes to an email or a phone")
        yield message


def tell(line: dict[str, Any]) -> None:
    """What became of a message, in one write, so that the lines of several workers do not mix."""
    print(json.dumps(line) + "\n", end="", flush=True)


def fail(why: str) -> NoReturn:
    """A wrong argument or setting: one line, and exit code 2."""
    print(why, file=sys.stderr)
    sys.exit(2)


def main() -> None:
    """Take the messages on, then work until none is left, or a signal."""
    told, end = arguments(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    os.umask(0o077)  # the queue holds addresses
    host, _, port = (told.smtp or "").rpartition(":")
    if told.smtp and not (host and port.isdecimal()):
        fail(f"--smtp: HOST:PORT is expected, not {told.smtp}")
    login = (os.environ.get("SMTP_USER"), os.environ.get("SMTP_PASSWORD"), told.timeout)
    try:
        messages, outbox, settings = list(read(told.file)), Outbox(told.outbox), Settings.read({}, os.environ)
        mail = None
        if told.smtp:
            links = Sender(settings.keys or "keys.toml", told.edge, told.unsubscribe_mail)
            mail = Mail(host, int(port), told.sender, links, told.starttls, *login)
    except (ValueError, sqlite3.Error) as error:  # a locked file: another mailer works on that queue
        fail(f"{type(error).__name__}: {error}")
    outbox.add(messages)
    with Gate(settings, channel="email") as email, Gate(settings, channel="sms") as sms:
        for gate in (email, sms):
            if not gate.wait_ready(READY_S):  # it denies until it is, and messages are held; say why, and go on
                print(f"not ready: {gate.status().trouble}", file=sys.stderr)

        def work() -> None:
            gates = {"email": email, "sms": sms}
            dispatcher = Dispatcher(outbox, gates, mail, Publisher(settings), told.bounce_source, tell)
            while not end.is_set():
                if not dispatcher.step() and end.wait(0.05):
                    break

        with ThreadPoolExecutor(told.workers) as pool:
            running = [pool.submit(work) for _ in range(told.workers)]
            again, turn = time.monotonic(), 1
            while not end.wait(0.05) and not any(each.done() for each in running):
                if told.every is None and not len(outbox):
                    break
                if told.every is not None and time.monotonic() - again > told.every:
                    again, turn = time.monotonic(), turn + 1
                    outbox.add({**each, "id": f"{each['id']}.{turn}"} for each in messages)
            end.set()
            for each in running:
                each.result()


if __name__ == "__main__":
    main()
