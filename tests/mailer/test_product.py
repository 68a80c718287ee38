"""The example mailer as a process, between a real Kafka with a real worker and a mail server on a real socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from consent_stream.dev.leash import leashed
from consent_stream.wire.stops import EVERY, Stop, encode_stop
from consent_stream.wire.topics import CONTROL
from tests.faults.deployment import Deployment, await_that, deployed
from tests.faults.population import POLICY
from tests.mailer.mailserver import MailServer

pytestmark = pytest.mark.kafka
EXAMPLE = Path(__file__).parents[2] / "examples" / "mailer"


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("mailer"), "mailer-", POLICY) as found:
        found.worker("w1").start().await_ready()
        yield found


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as found:
        yield found


class Mailer:
    """One queue, and a process that works on it."""

    def __init__(self, deployment: Deployment, server: MailServer, home: Path) -> None:
        self._environment, self._server, self._home = deployment.environment(), server, home
        self.process: subprocess.Popen[bytes]

    @contextmanager
    def running(self, *names: str, kill: bool = False) -> Iterator[None]:
        """While the block lasts, with a message to each of `names`; then it must have ended by itself, or is killed."""
        (self._home / "messages.jsonl").write_text("".join(message(name) for name in names))
        options = ["--smtp", self._server.where, "--outbox", str(self._home / "outbox.db"), "--timeout", "20"]
        command = leashed([sys.executable, str(EXAMPLE), *options, str(self._home / "messages.jsonl")])
        with (self._home / "out").open("ab") as out, (self._home / "err").open("ab") as err:
            process = self.process = subprocess.Popen(command, stdout=out, stderr=err, env=self._environment)
        try:
            yield
            if not kill:
                assert process.wait(60) == 0, (self._home / "err").read_text()
        finally:
            process.kill()
            process.wait()

    @property
    def said(self) -> list[tuple[Any, ...]]:
        lines = (self._home / "out").read_text().splitlines()
        return [(line["message"], line["sent"], *line["reasons"]) for line in map(json.loads, lines)]

    def says(self, *what: Any) -> Callable[[], bool]:
        return lambda: what in self.said


@pytest.fixture
def mailer(deployment: Deployment, server: MailServer, tmp_path: Path) -> Mailer:
    return Mailer(deployment, server, tmp_path)


def message(name: str) -> str:
    about = {"tenant": "t1", "email": f"{name}@example.com", "contact": name, "scope": "news"}
    return json.dumps({"id": f"m-{name}", **about}) + "\n"


def event(kind: str, name: str, **data: Any) -> bytes:
    about = {"email": f"{name}@example.com", "contact": name, "channel": "email", "scope": "news"}
    return orjson.dumps({
        "specversion": "1.0", "id": f"{kind}-{name}", "source": "/forms", "type": f"{kind}.v1", "tenant": "t1",
        "time": "2026-03-01T12:00:00Z", "data": {**about, **data},
    })  # fmt: skip


def say_yes(deployment: Deployment, *names: str) -> None:
    notice = {"id": "n1", "version": 3}
    deployment.produce(event("consent.granted", name, notice=notice, evidence="E3") for name in names)
    deployment.await_settled()


def say_no(deployment: Deployment, name: str) -> None:
    deployment.produce([event("unsubscribe.oneclick", name)])


def test_a_no_that_comes_while_messages_wait_stops_that_one(deployment, mailer, server):
    """Both wait for their retries; each retry asks anew."""
    say_yes(deployment, "ana", "ben")
    server.recipients = ["450 4.2.0 later"]
    with mailer.running("ana", "ben"):
        await_that(
            "both wait", lambda: {("m-ana", False, "smtp_450"), ("m-ben", False, "smtp_450")} <= {*mailer.said}, 30
        )
        say_no(deployment, "ben")
        await_that("the no is obeyed", mailer.says("m-ben", False, "unsubscribed"), 40)
        server.recipients = ["250 ok"]
    assert mailer.said[-1] == ("m-ana", True)
    assert server.ids == ["m-ana"]


def test_a_mailer_killed_before_its_books_are_done_sends_twice_at_most(deployment, mailer, server):
    say_yes(deployment, "cleo")
    server.replies = ["hang"]  # it has the mail, and the mailer does not know
    for times in (1, 2):
        with mailer.running("cleo", kill=True):
            await_that("the server has it", lambda: len(server.taken) == times, 30)  # noqa: B023
    with mailer.running("cleo"):
        pass
    assert server.ids == ["m-cleo", "m-cleo"]
    assert mailer.said == [("m-cleo", None, "end_unknown")]


def test_a_mailer_killed_before_its_books_are_done_sends_nothing_after_the_no(deployment, mailer, server):
    say_yes(deployment, "dan")
    server.replies = ["hang", "250 ok"]
    with mailer.running("dan", kill=True):
        await_that("the server has it", lambda: bool(server.taken), 30)
    say_no(deployment, "dan")
    deployment.await_settled()
    with mailer.running("dan"):
        pass
    assert server.ids == ["m-dan"]
    assert mailer.said == [("m-dan", False, "unsubscribed")]


def test_a_hard_bounce_makes_the_address_undeliverable(deployment, mailer, server):
    say_yes(deployment, "eve")
    server.recipients = ["550 5.1.1 no such mailbox", "250 ok"]
    with mailer.running("eve"):
        pass
    deployment.await_settled()
    (mailer._home / "outbox.db").unlink()  # another campaign
    with mailer.running("eve"):
        pass
    assert mailer.said == [("m-eve", False, "smtp_550", "5.1.1"), ("m-eve", False, "undeliverable")]
    assert server.taken == []


def test_a_kill_switch_holds_messages_and_lets_them_go(deployment, mailer, server):
    say_yes(deployment, "fay")
    switch(deployment, on=True)
    try:
        with mailer.running("fay"):
            await_that("it is held", mailer.says("m-fay", False, "stopped"), 30)
            assert server.taken == []
            switch(deployment, on=False)
    finally:
        switch(deployment, on=False)
    assert mailer.said == [("m-fay", False, "stopped"), ("m-fay", True)]
    assert server.ids == ["m-fay"]


def switch(deployment: Deployment, *, on: bool) -> None:
    producer = Producer(deployment.settings.producer(**{"log_level": 2}))
    key, value = encode_stop(EVERY, EVERY, Stop(on, "a test", "ana", 1))
    producer.produce(CONTROL.full(deployment.prefix), value, key, partition=0)
    assert producer.flush(20) == 0


def test_sigterm_ends_it_cleanly_and_what_is_left_stays_in_the_queue(deployment, mailer, server):
    say_yes(deployment, "gil")
    server.recipients = ["450 4.2.0 later"]
    with mailer.running("gil", kill=True):
        await_that("it waits", mailer.says("m-gil", False, "smtp_450"), 30)
        mailer.process.send_signal(signal.SIGTERM)
        assert mailer.process.wait(20) == 0
    server.recipients = ["250 ok"]
    with mailer.running():
        pass
    assert server.ids == ["m-gil"]


def test_a_queue_has_one_mailer_at_a_time(deployment, mailer, server):
    server.recipients = ["450 4.2.0 later"]
    say_yes(deployment, "hal")
    with mailer.running("hal", kill=True):
        await_that("it works", mailer.says("m-hal", False, "smtp_450"), 30)
        with mailer.running(kill=True):
            assert mailer.process.wait(30) == 2
    assert "database is locked" in (mailer._home / "err").read_text()


@pytest.mark.parametrize(
    "line", ["no json", '{"id": "has space", "tenant": "t1", "email": "x@example.com"}', '{"id": "m-1"}']
)
def test_a_line_that_is_no_message_is_refused_before_anything_is_sent(line, tmp_path):
    done = subprocess.run([sys.executable, str(EXAMPLE)], input=line, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "x@" not in done.stderr
