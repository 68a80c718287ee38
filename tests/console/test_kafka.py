"""The whole way on a real Kafka: events, a worker, a mailer's gate, and what the console says of them."""

from __future__ import annotations

import json
import re
import time
from importlib.resources import files
from urllib.parse import urlencode

import pytest
from confluent_kafka import Producer

from consent_stream.gate import Gate
from consent_stream.wire.topics import GATES
from tests.console.site import TOKEN
from tests.edge.process import ANA, EdgeProcess
from tests.faults.deployment import KEYS, await_that, deployed

pytestmark = pytest.mark.kafka
POLICY = (files("consent_stream.dev") / "policy.toml").read_text()
SOON = 30.0
FORM = {"tenant": "acme", "kind": "email", "who": ANA, "purpose": "marketing", "channel": "", "scope": "news"}


class ConsoleProcess(EdgeProcess):
    """`consent-stream console` with a token."""

    command = "console"
    cookie = ""

    def log_in(self) -> None:
        answer = self.post("/login", token=TOKEN)
        assert answer.status == 303
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def post(self, path, **fields):
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        return self.ask("POST", path, urlencode(fields).encode(), {**headers, "Cookie": self.cookie})

    def page(self, path):
        answer = self.ask("GET", path, headers={"Cookie": self.cookie})
        assert answer.status == 200
        return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def said(kind, ident, **data):
    return json.dumps({
        "specversion": "1.0", "id": ident, "source": "/forms/signup", "type": f"{kind}.v1", "tenant": "acme",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60)),
        "data": {"email": ANA, "channel": "email", "scope": "news", **data},
    }).encode()  # fmt: skip


@pytest.fixture(scope="module")
def deployment(kafka, tmp_path_factory):
    """A worker at work, a gate, and a history: Ana said yes, then no; one record was not understood."""
    with deployed(kafka, tmp_path_factory.mktemp("console"), "console-", POLICY) as found:
        worker = found.worker("w1").start().await_ready()
        notice = {"id": "signup", "version": 1}
        found.produce([said("consent.granted", "yes", notice=notice)], partition=0)
        found.produce([said("consent.withdrawn", "no")], partition=0)
        found.produce([f"not understood, with {ANA} in it".encode()], partition=0)
        with Gate(found.settings) as gate:
            assert gate.wait_ready(60)
            yield found
        worker.close()


@pytest.fixture(scope="module")
def console(deployment):
    token = deployment.folder / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    process = ConsoleProcess(deployment, "console", "--drain", "0", "--access-log", CONSENT_CONSOLE_TOKEN=str(token))
    try:
        process.start()
        process.log_in()
        yield process
    finally:
        process.close()


def until(console, path, *words):
    await_that(f"{path} says {words}", lambda: all(word in console.page(path) for word in words), SOON)


def test_flow_knows_the_worker_and_that_everything_is_through(console):
    until(console, "/", "0 events wait", "0 events not through", "w1", "in the group, which is stable", "1 of 1 fresh")
    text = console.page("/")
    assert "Gates obey generation 0. No kill switch is on." in text
    assert re.search(r"State and lists \d\.\d s behind", text)
    assert "consent.events" in text


def test_gates_are_told_by_name(console):
    until(console, "/gates", "email : 1 of 1 fresh")
    assert "suppression.email" in console.page("/gates")


def test_an_opt_out_is_counted_by_program_and_event(console):
    until(console, "/optouts", "1 in the last 48 hours", "consent.withdrawn", "news")


def test_what_was_not_understood_is_counted_and_not_shown(console):
    until(console, "/quarantine", "not_cloudevent", "console-consent.events 0:2")
    assert "not understood, with" not in console.page("/quarantine")


def test_one_person_is_found_with_the_chain(console):
    answer = console.post("/search", **FORM)
    assert answer.status == 303
    where = answer.headers["Location"]
    await_that("found", lambda: "The chain" in console.page(where), SOON)
    text = console.page(where)
    assert text.index("consent.granted") < text.index("consent.withdrawn decides") < text.index("List email")
    for word in ("DENY", KEYS.subject("acme", "email", ANA).hex(), "reached"):
        assert word in text
    assert ANA not in text


def test_what_nobody_can_read_is_counted(console, deployment):
    producer = Producer(deployment.settings.producer())
    producer.produce(GATES.full(deployment.prefix), b"no report", b"somebody")
    assert producer.flush(10) == 0
    until(console, "/gates", "1 records in our topics cannot be read")


def test_its_log_has_no_address_and_it_ends_in_order(console):
    console.page(f"/?q={ANA}")
    assert "/found/{id}" in console.log
    assert ANA not in console.log
    assert "ana" not in console.log
    assert console.stop() == 0
