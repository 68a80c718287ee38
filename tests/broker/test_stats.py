"""`consent-stream stats` on the embedded broker: what it counts and how it shows it."""

import json

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.domain.standing import BLANK
from consent_stream.wire.change import encode_change
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import encode_entry
from consent_stream.wire.topics import CHANGES, SUPPRESSION
from tests.broker.test_tail import Topics
from tests.wire.samples import AT, FULL, GRANTED, KEY, SUPPRESSED, UNSUBSCRIBE

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def topics(embedded, prefix):
    return Topics(embedded, prefix)


def stats(topics, *arguments):
    told = CliRunner().invoke(main, ["stats", *topics.place, *arguments])
    assert told.exit_code == 0, told.stderr
    return told.stdout


def test_the_lists_now(topics):
    email = SUPPRESSION["email"]
    for n in range(8):
        topics.write(
            email, encode_entry(GRANTED, "email", BLANK, UNSUBSCRIBE, 1), KEY[:-1] + bytes([n]), partition=n % 4
        )
    for n in range(3):
        topics.write(
            email, encode_entry(FULL, "email", SUPPRESSED, UNSUBSCRIBE, 2), KEY[:-1] + bytes([n]), partition=n % 4
        )
    topics.write(email, b"a beat", HEARTBEAT_KEY)
    topics.proven()
    told = json.loads(stats(topics, "--json"))["lists"]
    assert told["email"]["status"] == {"CLEAR": 5, "SUPPRESSED": 3}
    assert told["email"]["tenants"]["acme"]["keys"] == told["email"]["keys"] == 8
    assert told["sms"]["keys"] == told["sharing"]["keys"] == 0
    assert (
        json.loads(stats(topics, "--json", "--tenant", "globex", "--channel", "email"))["lists"]["email"]["keys"] == 0
    )
    shown = [line.split() for line in stats(topics).splitlines()]
    assert ["list", "keys", "CLEAR", "SUPPRESSED"] in shown
    assert ["email", "8", "5", "3"] in shown
    assert ["erased", "3"] in shown
    assert ["marketing", "3", "8"] in shown


def test_changes_of_a_window(topics):
    for n, tenant in enumerate(("acme", "acme", "globex")):
        fact = UNSUBSCRIBE._replace(received=AT + n * 3_600_000_000, tenant=tenant)
        topics.write(CHANGES, encode_change("email", BLANK, SUPPRESSED, fact, 9), partition=n)
    topics.write(CHANGES, b"rubbish")
    topics.proven()
    told = json.loads(stats(topics, "--changes", "--since", "2026-03-01T12:00:00Z", "--json"))
    assert (told["changes"], told["unreadable"], told["tenants"]) == (3, 1, {"acme": 2, "globex": 1})
    assert [row["tighter"] for row in told["hours"]] == [1, 1, 1]
    window = ("--since", "2026-03-01T12:00:00Z", "--until", "2026-03-01T13:00:00Z")
    shown = [line.split() for line in stats(topics, "--changes", *window).splitlines()]
    assert ["2026-03-01T12:00Z", "1", "0", "0"] in shown
    assert ["erased", "1", "0"] in shown
    assert ["1", "changes,", "1", "cannot", "be", "read"] in shown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--since", "1h"), "--changes"),
        (("--changes", "--since", "1h", "--until", "2h"), "nothing in between"),
        (("--changes", "--since", "soon"), "--since"),
        (("--channel", "fax"), "--channel"),
    ],
)
def test_a_wrong_call_is_exit_2_with_one_line(arguments, named):
    refused = CliRunner().invoke(main, ["stats", *arguments])
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert named in line


def test_a_kafka_that_is_away_is_no_answer(monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    refused = CliRunner().invoke(main, ["stats", "--bootstrap", "127.0.0.1:1"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
