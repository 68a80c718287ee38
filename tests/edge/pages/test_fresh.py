"""A fresh link by a real mail server: to the address that the old one went to, and to nobody else."""

import re
import time

import pytest

from consent_stream.edge.tokens import Links
from tests.edge.pages.site import ANA, CONFIG, DAY, KEYS, site
from tests.mailer.mailserver import MailServer


@pytest.fixture
def inbox():
    with MailServer() as found:
        yield found


@pytest.fixture
def acme(inbox):
    mail = {"host": "127.0.0.1", "port": inbox.port, "security": "none", "sender": "preferences@acme.example"}
    with site({**CONFIG, "smtp": mail}) as found:
        yield found


def ask(found, token, typed):
    return found.post(token, [("address", typed)], path="/fresh")


def arrived(inbox, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not inbox.taken and time.monotonic() < deadline:
        time.sleep(0.02)
    return inbox.taken


def test_an_old_link_leads_to_a_fresh_one_that_can_turn_on(acme, inbox):
    old = acme.token(age=30 * DAY, contact="c-1")
    assert 'name="address"' in acme.get(old).text
    answer = ask(acme, old, " Ana@Example.com ")
    assert answer.status == 303
    assert "a new link is on its way" in acme.ask("GET", answer.headers["Location"]).words
    ((recipient, message),) = arrived(inbox)
    assert recipient.casefold() == ANA
    assert message["Subject"] == "Your link to your choices at Acme"
    assert message["Auto-Submitted"] == "auto-replied"
    link = re.search(r"/p/([\w-]+)", message.get_content())
    read = Links(KEYS).read(link[1])
    assert read.keys == (KEYS.subject("acme", "email", ANA), KEYS.subject("acme", "contact", "c-1"))
    (asked,) = acme.door.taken
    assert asked["type"] == "consent.requested.v1"
    assert "email" not in asked["data"]
    acme.save(link[1], m_news=True)
    assert acme.allowed("news")
    assert acme.door.refused == []


def test_what_anybody_else_types_sends_nothing_and_looks_the_same(acme, inbox):
    old = acme.token(age=30 * DAY)
    stranger, own = ask(acme, old, "ben@example.com"), ask(acme, old, ANA)
    assert (stranger.status, stranger.headers["Location"]) == (own.status, own.headers["Location"])
    assert [each[0] for each in arrived(inbox)] == [ANA]
    assert len(acme.door.taken) == 1


def test_letters_are_few(acme, inbox):
    old = acme.token(age=30 * DAY)
    assert {ask(acme, old, ANA).status for _ in range(6)} == {303}
    deadline = time.monotonic() + 20
    while len(inbox.taken) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)  # a fourth would come now
    assert len(inbox.taken) == 3


def test_a_dead_or_frozen_person_gets_no_letter(acme, inbox):
    acme.say("subject.restricted")
    ask(acme, acme.token(age=30 * DAY), ANA)
    time.sleep(0.5)
    assert (inbox.taken, acme.door.taken) == ([], [])


@pytest.mark.parametrize("typed", ["", "ana", "a" * 400 + "@example.com"])
def test_what_is_no_address_is_told_at_the_field(acme, typed):
    answer = ask(acme, acme.token(age=30 * DAY), typed)
    assert answer.status == 400
    assert 'href="#address"' in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("typed", ["ana@example.com\r\nBcc: ben@example.com", "ana@example.com, ben@example.com"])
def test_a_header_cannot_be_smuggled_in(acme, inbox, typed):
    ask(acme, acme.token(age=30 * DAY), typed)
    time.sleep(0.5)
    assert all(recipient == ANA for recipient, _ in inbox.taken)
    assert len(inbox.taken) <= 1


def test_a_mail_server_that_is_away_is_logged_without_the_address(caplog):
    mail = {"host": "127.0.0.1", "port": 1, "security": "none", "sender": "p@acme.example"}
    with site({**CONFIG, "smtp": mail}) as off:
        assert ask(off, off.token(age=30 * DAY), ANA).status == 303
        deadline = time.monotonic() + 20
        while "a fresh link was not sent" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "a fresh link was not sent: ConnectionRefusedError" in caplog.text
    assert ANA not in caplog.text


def test_without_a_mail_server_a_newer_message_is_pointed_at():
    with site() as found:
        page = found.get(found.token(age=30 * DAY))
        assert "use the link in a newer message" in page.words
        assert 'name="address"' not in page.text
