"""The example mailer around a fake gate, with a mail server on a real socket: one message at a time."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from consent_stream.edge.tokens import Links
from consent_stream.links import Sender
from consent_stream.publisher import Unproven
from consent_stream.testing import FakeGate
from tests.faults.deployment import KEYS
from tests.mailer.mailserver import MailServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "mailer"
ANA = {"tenant": "acme", "email": "ana@example.com", "scope": "news"}


class Publisher:
    """Keeps events, or cannot prove them."""

    def __init__(self):
        self.events, self.away = [], False

    def send(self, line, value):
        self.events.append(value)

    def rest(self):
        if self.away:
            raise Unproven("line 1: away")
        return iter(())


class Mailer:
    """The example's parts, as its `main` puts them together. Time of the queue passes by `pass_time`."""

    def __init__(self, server, monkeypatch, path=":memory:"):
        import dispatch
        import outbox
        import smtp

        self.ahead = 0.0
        clock = outbox.time.time
        monkeypatch.setattr(outbox, "time", type("Time", (), {"time": lambda: clock() + self.ahead}))
        self.gate, self.publisher, self.lines = FakeGate(), Publisher(), []
        self.outbox = outbox.Outbox(str(path))
        self.mail = smtp.Mail(
            "127.0.0.1", server.port, "News <news@example.com>",
            Sender(KEYS, "https://consent.example.com", "unsubscribe@example.com"), timeout=2.0,
        )  # fmt: skip
        gates = {"email": self.gate}
        self.dispatcher = dispatch.Dispatcher(self.outbox, gates, self.mail, self.publisher, "/mta", self.lines.append)

    def add(self, ident="m-1", **more):
        self.outbox.add([{"id": ident, **ANA, **more}])

    def run(self):
        while self.dispatcher.step():
            pass
        return [(line["message"], line["sent"], *line["reasons"]) for line in self.lines]

    def pass_time(self, seconds):
        self.ahead += seconds


@pytest.fixture
def server():
    with MailServer() as found:
        yield found


@pytest.fixture
def mailer(server, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield Mailer(server, monkeypatch)
    for name in ("dispatch", "outbox", "smtp"):
        sys.modules.pop(name, None)


def test_mail_goes_out_with_one_click_unsubscribe_on_the_wire(mailer, server):
    mailer.gate.allow(**ANA)
    ident = "m" * 64
    mailer.add(ident, subject="Grüße", text="Neues.\n.\nEnde")
    assert mailer.run() == [(ident, True)]
    ((recipient, mail),) = server.taken
    assert recipient == ANA["email"]
    line = re.search(rb"\r\nList-Unsubscribe: <https://consent\.example\.com/u/(\S+)>, <(\S+)>\r\n", server.wire[0])
    assert line, "on one line, and not encoded"
    token = line[1].decode()
    assert line[2].decode() == f"mailto:unsubscribe@example.com?subject={token}"
    link = Links(KEYS).read(token)
    assert link[:5] == ("acme", "email", (KEYS.subject("acme", "email", ANA["email"]),), "news", ident)
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in server.wire[0]
    assert (mail["Subject"], mail.get_content()) == ("Grüße", "Neues.\r\n.\r\nEnde\r\n")
    assert [send.outcome for send in mailer.gate.sends] == ["handed_over"]
    assert len(mailer.outbox) == 0


def test_a_bill_has_no_unsubscribe(mailer, server):
    mailer.add(purpose="transactional")
    assert mailer.run() == [("m-1", True)]
    assert server.taken[0][1]["List-Unsubscribe"] is None


def test_who_said_no_gets_nothing_and_the_reason_is_told(mailer, server):
    mailer.gate.deny(**ANA, reasons=("complaint", "unsubscribed"))
    mailer.add()
    assert mailer.run() == [("m-1", False, "complaint", "unsubscribed")]
    assert server.taken == []
    assert not server.at_recipient.is_set()
    assert mailer.gate.sends[0].outcome == "held_back"


def test_a_message_is_taken_on_once(mailer, server):
    mailer.gate.allow(**ANA)
    for _ in range(3):
        mailer.add()
        mailer.run()
    assert server.ids == ["m-1"]


def test_a_no_between_the_recipient_and_data_is_obeyed(mailer, server, monkeypatch):
    import dispatch

    class Slow(dispatch.Link):
        def __enter__(link):
            mailer.gate.withdraw(**ANA)
            return link

    mailer.gate.allow(**ANA)
    monkeypatch.setattr(dispatch, "Link", Slow)
    mailer.add()
    assert mailer.run() == [("m-1", False, "unsubscribed")]
    assert server.at_recipient.is_set()
    assert server.taken == []
    assert mailer.gate.sends[0].outcome == "held_back"


def test_later_is_tried_again_and_asked_again(mailer, server):
    mailer.gate.allow(**ANA)
    server.replies = ["451 4.3.0 later", "250 ok"]
    mailer.add()
    assert mailer.run() == [("m-1", False, "smtp_451")]
    assert mailer.run() == [("m-1", False, "smtp_451")], "not before its time"
    mailer.pass_time(3)
    assert mailer.run()[1:] == [("m-1", True)]
    assert [send.outcome for send in mailer.gate.sends] == ["failed", "handed_over"]


def test_a_retry_after_a_withdrawal_is_stopped(mailer, server):
    mailer.gate.allow(**ANA)
    server.recipients = ["450 4.2.0 greylisted", "250 ok"]
    mailer.add()
    mailer.run()
    mailer.gate.withdraw(**ANA)
    mailer.pass_time(3)
    assert mailer.run()[1:] == [("m-1", False, "unsubscribed")]
    assert server.taken == []


def test_never_is_told_to_consent_events_and_kept_until_that_is_proven(mailer, server):
    mailer.gate.allow(**ANA)
    server.recipients = ["550 5.1.1 <ana@example.com> unknown"]
    mailer.publisher.away = True
    mailer.add()
    assert mailer.run() == [("m-1", False, "smtp_550", "5.1.1")]
    assert len(mailer.outbox) == 1
    mailer.publisher.away = False
    mailer.pass_time(3)
    mailer.run()
    assert len(mailer.outbox) == 0
    first, second = mailer.publisher.events
    assert json.loads(first)["id"] == json.loads(second)["id"]
    mailer.gate.publish({**json.loads(second), "source": "/mta"})
    assert mailer.gate.check(**ANA).reasons == ("undeliverable",)


def test_never_without_a_status_says_nothing_of_the_address(mailer, server):
    mailer.gate.allow(**ANA)
    server.replies = ["554 no spam here"]
    mailer.add()
    assert mailer.run() == [("m-1", False, "smtp_554")]
    assert mailer.publisher.events == []
    assert len(mailer.outbox) == 0


@pytest.mark.parametrize("befalls", ["stale", "stopped"])
def test_a_gate_that_cannot_answer_holds_messages_and_loses_none(mailer, server, befalls):
    mailer.gate.allow(**ANA)
    mailer.gate.grow_stale() if befalls == "stale" else mailer.gate.stop()
    mailer.add()
    for _ in range(3):
        assert mailer.run() == [("m-1", False, befalls)], "told once"
        mailer.pass_time(2)
    assert len(mailer.outbox) == 1
    mailer.gate.recover() if befalls == "stale" else mailer.gate.resume()
    assert mailer.run()[1:] == [("m-1", True)]


@pytest.mark.parametrize("reply", ["hang", "drop"])
def test_a_hand_over_whose_end_is_unknown_is_tried_once_more_and_not_a_third_time(mailer, server, reply):
    mailer.gate.allow(**ANA)
    server.replies = [reply]
    mailer.add()
    for _ in range(5):
        mailer.run()
        mailer.pass_time(3600)
    assert server.ids == ["m-1", "m-1"]
    assert mailer.run()[-1] == ("m-1", None, "end_unknown")
    assert len(mailer.outbox) == 0


def test_a_server_that_is_away_is_no_hand_over_and_costs_no_message(mailer, server, monkeypatch):
    mailer.gate.allow(**ANA)
    mailer.add()
    server.close()
    for _ in range(4):
        mailer.run()
        mailer.pass_time(3600)
    assert {line[2] for line in mailer.run()} == {"ConnectionRefusedError"}
    with MailServer() as again:
        monkeypatch.setattr(mailer.dispatcher, "_mail", mailer.mail._replace(port=again.port))
        mailer.pass_time(3600)
        assert mailer.run()[-1] == ("m-1", True)
        assert again.ids == ["m-1"]


def test_a_trial_hands_nothing_over_and_says_so_in_the_record(mailer, server, monkeypatch):
    mailer.gate.allow(**ANA)
    monkeypatch.setattr(mailer.dispatcher, "_mail", None)
    mailer.add()
    assert mailer.run() == [("m-1", False)]
    assert mailer.lines[0]["trial"] is True
    assert server.taken == []
    assert mailer.gate.sends[0].outcome == "not_attempted"


def test_a_text_that_no_mail_can_hold_ends_that_message_alone(mailer, server):
    mailer.gate.allow(**ANA)
    mailer.add("m-1", subject="two\nlines")
    mailer.add("m-2")
    assert mailer.run() == [("m-1", False, "ValueError"), ("m-2", True)]


def test_what_is_done_leaves_no_address_in_the_file(server, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EXAMPLE))
    mailer = Mailer(server, monkeypatch, tmp_path / "outbox.db")
    mailer.gate.allow(**ANA)
    mailer.add()
    mailer.run()
    rows = mailer.outbox._run("SELECT id, content FROM outbox")
    assert rows == [("m-1", None)]
    assert not any("ana@" in str(line) for line in mailer.lines)
