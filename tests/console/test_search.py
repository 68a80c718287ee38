"""Looking somebody up: what a form asks, how a search goes, and that no address goes any further."""

from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream.console import search
from consent_stream.console.search import BadForm, Busy, Jobs, Reader
from consent_stream.inspection.topicread import Unread
from consent_stream.wire.keys import Keyring
from consent_stream.wire.stops import Stop, encode_stop
from consent_stream.wire.topics import LEDGER
from tests.console.made import NOW, S
from tests.console.people import ANA, CONTACT, looking, written
from tests.console.site import KEYS, SOON, site

FORM = {"tenant": "acme", "kind": "email", "who": ANA, "purpose": "marketing", "channel": "", "scope": "news"}
KEY = KEYS.subject("acme", "email", ANA)
CARD = KEYS.subject("acme", "contact", CONTACT)


def read(reader=None, **over):
    return (reader or Reader(KEYS))({**FORM, **over})


def until(holds):
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("over", "keys", "channel"),
    [
        ({}, (KEY,), "email"),
        ({"who": " ANA@Example.com "}, (KEY,), "email"),
        ({"kind": "contact", "who": CONTACT}, (CARD,), "email"),
        ({"kind": "contact", "who": CONTACT, "channel": "sharing"}, (CARD,), "sharing"),
        ({"kind": "phone", "who": "+12025550123"}, (KEYS.subject("acme", "sms", "+12025550123"),), "sms"),
        ({"kind": "key", "who": KEY.hex()}, (KEY,), "email"),
        ({"kind": "key", "who": CARD.hex()}, (CARD,), "email"),
    ],
)
def test_who_is_asked_for_becomes_keys(over, keys, channel):
    sought = read(**over)
    case = sought.case
    assert (case.tenant, case.channel, case.purpose, case.scope) == ("acme", channel, "marketing", "news")
    assert case.keys == keys
    assert ANA not in repr(sought)


def test_while_keys_rotate_an_address_is_looked_up_under_each():
    rotating = Reader(Keyring({0: bytes(32), 1: bytes([1]) * 32}))
    assert len(read(rotating).case.keys) == 2
    assert len(read(rotating, kind="contact").case.keys) == 2


def test_the_base_form_is_looked_up_too():
    assert read(who="ana+x@example.com").case.bases == (KEY,)


@pytest.mark.parametrize(
    "over",
    [
        {"who": "jo at home"}, {"who": ""}, {"tenant": " "}, {"kind": "fax"}, {"purpose": "fun"}, {"channel": "fax"},
        {"kind": "key", "who": "zz"}, {"kind": "key", "who": "0148" + "00" * 17}, {"kind": "phone", "who": "12"},
        {"kind": "contact", "who": "\udc80"}, {"scope": "a//b"}, {"channel": "sms"},
        {"kind": "phone", "who": "+12025550123", "channel": "email"}, {"at": "yesterday"}, {"known_at": "2026-03-01"},
    ],
)  # fmt: skip
def test_a_form_that_asks_nothing_is_told_so_without_saying_it_back(over):
    with pytest.raises(BadForm) as told:
        read(**over)
    for said in ("jo at home", "zz", "0148"):
        assert said not in str(told.value)


def test_without_the_tenants_key_it_says_so():
    with pytest.raises(BadForm, match="no key material for that tenant"):
        read(Reader(Keyring(derived={("globex", 0): bytes(32)}, current=0)))


def test_it_is_read_on_a_thread_and_tells_how_far_it_is():
    go_on, told = threading.Event(), threading.Event()

    def look(sought, tell):
        tell("consent.ledger", 3, 10)
        told.set()
        assert go_on.wait(SOON)
        return "found"

    jobs = Jobs(look, lambda: NOW)
    ident = jobs.begin(read())
    assert told.wait(SOON)
    job = jobs.get(ident)
    assert (job.over, job.what, job.done, job.of) == (False, "consent.ledger", 3, 10)
    go_on.set()
    until(lambda: job.over)
    assert job.found == "found"
    jobs.close()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unread("topic consent.ledger: no record for 30 s"), "topic consent.ledger: no record for 30 s"),
        (KafkaException(KafkaError(KafkaError._TRANSPORT)), "Kafka did not answer, or refused"),
        (RuntimeError(ANA), "A fault of the console: RuntimeError."),
    ],
)
def test_a_search_that_fails_says_why_and_quotes_nothing(error, said, caplog):
    def look(sought, tell):
        raise error

    jobs = Jobs(look, lambda: NOW)
    job = jobs.get(jobs.begin(read()))
    until(lambda: job.over)
    jobs.close()
    assert job.trouble.startswith(said)
    assert ANA not in job.trouble + caplog.text


def test_so_many_at_once_and_no_more(monkeypatch):
    monkeypatch.setattr(search, "WAITING", 1)
    go_on = threading.Event()
    jobs = Jobs(lambda sought, tell: go_on.wait(SOON), lambda: NOW)
    for _ in range(search.AT_ONCE + 1):
        jobs.begin(read())
    with pytest.raises(Busy):
        jobs.begin(read())
    go_on.set()
    jobs.close()


def test_what_was_found_is_forgotten_after_ten_minutes_and_when_there_is_much(monkeypatch):
    monkeypatch.setattr(search, "MOST_KEPT", 5)
    now = [NOW]
    jobs = Jobs(lambda sought, tell: "found", lambda: now[0])
    first = jobs.begin(read())
    until(lambda: jobs.get(first).over)
    now[0] += search.KEPT_US + S
    assert jobs.get(first) is None
    for _ in range(2 * search.MOST_KEPT):
        job = jobs.get(jobs.begin(read()))
        until(lambda job=job: job.over)
    assert len(jobs._jobs) <= search.MOST_KEPT + 1
    jobs.close()


def test_the_end_of_the_console_ends_a_search():
    begun = threading.Event()

    def look(sought, tell):
        begun.set()
        while True:
            tell("consent.ledger", 1, 2)
            time.sleep(0.01)

    jobs = Jobs(look, lambda: NOW)
    job = jobs.get(jobs.begin(read()))
    assert begun.wait(SOON)
    jobs.close()
    assert job.trouble == "The console ended."


# On pages


@pytest.fixture
def log():
    return written()


@pytest.fixture
def open_(monkeypatch, log):
    with site(look=looking(monkeypatch, log)) as found:
        found.log_in()
        yield found


def found_page(open_, **over):
    answer = open_.post("/search", fields={**FORM, **over})
    assert answer.status == 303
    where = answer.headers["Location"]
    until(lambda: 'http-equiv="refresh"' not in open_.get(where).text)
    answer = open_.get(where)
    assert answer.status == 200
    return where, " ".join(answer.text.split())


def test_the_chain_from_the_event_to_the_message(open_):
    where, text = found_page(open_)
    assert "<strong>DENY</strong>" in text
    for said in (
        "consent.granted",
        "unsubscribe.global",
        "over a link to a contact",
        "decides",
        "SUPPRESSED",
        "mta-2",
        "after a withdrawal",
    ):
        assert said in text
    assert text.index("consent.granted") < text.index("unsubscribe.global") < text.index("SUPPRESSED")
    assert ANA not in text + where
    assert CONTACT not in where
    assert KEY.hex() not in where


def test_of_another_instant_it_tells_what_was_known_then(open_):
    _, text = found_page(open_, known_at="2026-03-01T12:05:00Z")
    assert "<strong>ALLOW</strong>" in text
    assert "notice n1 1" in text
    assert "sha256 <code>00</code>" in text
    assert "unsubscribe.global" not in text


def test_a_kill_switch_is_a_caution_of_now(open_):
    control = open_.console.model.control
    control.take(*encode_stop("*", "email", Stop(True, "wrong template", "ops", NOW)))
    control.take(*encode_stop("globex", "*", Stop(True, "of others", "ops", NOW)))
    _, text = found_page(open_)
    assert "sending is stopped (*, email), by ops: wrong template" in text
    assert "of others" not in text
    _, text = found_page(open_, at="2026-03-01T12:05:00Z")
    assert "sending is stopped" not in text


def test_a_yes_beside_a_record_that_nobody_can_read_is_not_certain(open_, log):
    log.write(LEDGER, KEY, b"garbage", NOW)
    _, text = found_page(open_, known_at="2026-03-01T12:05:00Z")
    assert "This yes is not certain" in text
    assert "may say otherwise: consent.ledger" in text


def test_of_an_address_that_nobody_knows_there_is_no_event(open_):
    _, text = found_page(open_, who="nobody@example.com")
    assert "No event" in text
    assert "<strong>DENY</strong>" in text
    assert "nobody@" not in text


def test_by_contact_and_by_key_it_is_the_same_person(open_):
    for over in ({"kind": "contact", "who": CONTACT}, {"kind": "key", "who": KEY.hex()}):
        _, text = found_page(open_, **over)
        assert "unsubscribe.global" in text


def test_a_wrong_form_is_shown_again_without_the_address(open_):
    answer = open_.post("/search", fields={**FORM, "who": "ana@example", "kind": "phone"})
    assert answer.status == 400
    assert "can be looked up" in answer.text
    assert "ana@example" not in answer.text
    assert 'value="acme"' in answer.text


@pytest.mark.parametrize("body", [b"", b"\xff\xfe=1", b"&" * 5000, b"a=1&" * 100])
def test_a_body_that_is_no_form_is_a_form_of_nothing(open_, body):
    headers = {"Content_Type": "application/x-www-form-urlencoded", "Sec_Fetch_Site": "same-origin"}
    assert open_.ask("POST", "/search", body, **headers).status == 400
    assert open_.ask("POST", "/search", body, Sec_Fetch_Site="same-origin").status == 400


def test_a_form_that_is_too_large_is_refused(open_):
    answer = open_.post("/search", fields={**FORM, "who": "x" * 20_000})
    assert answer.status == 413


def test_no_such_search(open_):
    assert open_.get("/found/guess").status == 404
