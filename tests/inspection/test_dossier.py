"""`consent-stream inspect`: registers in words, lists, and what happened, of topics in memory."""

import json

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.domain.times import adult_from
from consent_stream.inspection.dossier import Held, events, fields, held
from consent_stream.wire.topics import LEDGER, STATE
from tests.faults.deployment import KEY_FILE
from tests.inspection.log import Log
from tests.topology.made_up import KEYS, NOON, event, granted
from tests.wire.samples import AT, FULL
from tests.wire.samples import SENDS as SAMPLES

ANA = KEYS.subject("acme", "email", "ana@example.com")
CARD = KEYS.subject("acme", "contact", "c-42")
LATER = NOON + 60_000_000


@pytest.fixture
def log(monkeypatch):
    """Ana consents, with her contact, is written to, and opts out of everything by her contact."""
    found = Log()
    found.add(granted(email="ana@example.com", contact="c-42"), NOON)
    found.send(SAMPLES[0]._replace(keys=(ANA, CARD), ended=NOON + 1_000_000))
    found.add(event("unsubscribe.global", "no", contact="c-42"), LATER)
    found.stand_in(monkeypatch)
    monkeypatch.setattr("consent_stream.inspection.whyread.check_keys", lambda *_: None)
    return found


@pytest.fixture
def inspect(log, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(KEY_FILE)
    keys.chmod(0o600)

    def run(*arguments):
        return CliRunner().invoke(main, ["inspect", "--tenant", "acme", "--keys", str(keys), *arguments])

    return run


def test_every_part_of_registers_is_told_and_no_date_of_birth():
    told = held(FULL)
    assert Held(
        "restriction", "unsubscribed", "marketing:email:news", AT + 1_000_000, None, "u-1", "/mail/oneclick",
        "unsubscribe.oneclick", "reaches linked contacts",
    ) in told  # fmt: skip
    grant = next(each for each in told if each.event == "g-1")
    assert (grant.what, grant.until) == ("E3", AT + 63_072_000_000_000)
    assert grant.more == "notice n1 version 3; names marketing:*:*; batch batch-1; credential cred-1"
    assert {each.sort for each in told} == {
        "restriction", "grant", "lift", "void", "birth", "bounced", "delivered", "request",
    }  # fmt: skip
    births = [each for each in told if each.sort == "birth"]
    assert [(each.what, each.until) for each in births] == [("", adult_from(700_000)), ("", adult_from(733_774))]
    assert [each.since for each in told if each.sort == "void"] == [AT - 7, None]


def test_what_happened_is_in_order_facts_before_what_they_change(log, monkeypatch):
    rows = events(log.history(monkeypatch, ANA))
    assert [(row.topic.removeprefix("consent."), row.id) for row in rows] == [
        ("ledger", "g1"),
        ("sends", "m-1"),
        ("ledger", "no"),
        ("changes", "no"),
    ]
    assert [row.written for row in rows] == sorted(row.written for row in rows)


def test_as_json_it_is_whole_and_holds_no_address(log, inspect):
    told = json.loads(inspect("--email", "ana@example.com", "--json").stdout)
    (key,) = told["keys"]
    assert (key["key"], key["kind"], key["known"], key["links"]) == (ANA.hex(), "address", True, 1)
    assert key["stands_for"] == ["email"]
    assert [(each["sort"], each["what"]) for each in key["registers"]] == [
        ("restriction", "global_opt_out"),
        ("grant", "E3"),
    ]
    assert key["lists"]["email"]["status"] == "SUPPRESSED"
    assert key["lists"]["email"]["cause"]["id"] == "no"
    assert {row["id"] for row in told["history"]} == {"g1", "m-1", "no"}
    assert told["through"] == log.through
    assert "ana@" not in json.dumps(told)


def test_for_people_it_is_words(inspect):
    shown = inspect("--email", "ana@example.com", "--contact", "c-42")
    assert shown.exit_code == 0
    assert f"address key {ANA.hex()}  tenant acme, email, 1 links" in shown.stdout
    assert f"contact key {CARD.hex()}" in shown.stdout
    assert "global_opt_out" in shown.stdout
    assert "notice n1 version 1" in shown.stdout
    assert "ledger  2026-03-01T12:00:00.000Z" in shown.stdout
    assert "changes 2026-03-01T12:01:00.000Z" in shown.stdout
    assert "sends   2026-03-01T12:00:01.000Z" in shown.stdout
    assert "ana@" not in shown.output
    assert "c-42" not in shown.output


def test_what_is_known_of_the_base_form_is_named_so(log, inspect):
    shown = inspect("--email", "ana+shop@example.com")
    assert shown.exit_code == 0
    assert f"key of the base form (without its tag) {ANA.hex()}  tenant acme" in shown.stdout
    told = json.loads(inspect("--email", "ana+shop@example.com", "--json").stdout)
    assert [(key["kind"], key["known"]) for key in told["keys"]] == [("address", False), ("base", True)]


def test_now_reads_no_ledger(log, inspect):
    shown = inspect("--email", "ana@example.com", "--now")
    assert "SUPPRESSED" in shown.stdout
    assert "what happened" not in shown.stdout
    assert LEDGER.name not in {topic for topic, _ in log.looked_at}


def test_by_key_alone_no_key_file_is_needed(log):
    shown = CliRunner().invoke(main, ["inspect", "--tenant", "acme", "--key", ANA.hex(), "--now"])
    assert (shown.exit_code, "SUPPRESSED" in shown.stdout) == (0, True)


def test_of_a_stranger_nothing_is_known_and_that_is_exit_1(inspect):
    shown = inspect("--email", "nobody@example.com")
    assert shown.exit_code == 1
    assert "nothing is known" in shown.stdout


def test_what_cannot_be_read_is_named(log, inspect):
    log.write(LEDGER, ANA, b"rubbish", LATER)
    assert "cannot be read: consent.ledger" in inspect("--email", "ana@example.com").stdout
    (damaged,) = json.loads(inspect("--email", "ana@example.com", "--json").stdout)["damaged"]
    assert damaged["why"] == "unknown_schema"


def test_a_row_that_is_gone_is_not_there(log, monkeypatch):
    log.write(STATE, ANA, None, LATER)
    (key,) = fields(log.history(monkeypatch, ANA))["keys"]
    assert (key["known"], key["registers"]) == (False, [])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "give one of"),
        (("--email", "ana@example.com", "--phone", "+12015550123"), "give one of"),
        (("--email", "nobody"), "no address"),
        (("--key", "0161"), "38 hex digits"),
        (("--phone", "12"), "no address"),
    ],
)
def test_a_wrong_call_is_exit_2_with_one_line(inspect, arguments, named):
    refused = inspect(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert named in line
    assert "ana@" not in line


def test_an_address_without_a_key_file_cannot_be_looked_up():
    refused = CliRunner().invoke(main, ["inspect", "--tenant", "acme", "--email", "ana@example.com"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "--keys" in refused.stderr


def test_a_kafka_that_is_away_is_no_answer(monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    refused = CliRunner().invoke(
        main, ["inspect", "--tenant", "acme", "--key", ANA.hex(), "--bootstrap", "127.0.0.1:1"]
    )
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
