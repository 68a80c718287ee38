"""`consent-stream why` as a command: what is shown, what is refused, and that no address is in it."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

import consent_stream
from consent_stream.cli import main
from consent_stream.commands.why_report import COMES_TO
from consent_stream.inspection import whyread
from consent_stream.inspection.whychain import (
    Chain,
    Change,
    Event,
    FactTold,
    GateTold,
    Link,
    ListRecord,
    Part,
    Permission,
    SendTold,
    Subject,
)
from consent_stream.wire.control import encode_keys
from consent_stream.wire.stops import Stop
from consent_stream.wire.topics import LEDGER
from tests.inspection.log import Log
from tests.topology.made_up import KEYS, NOON, event, granted

HOUR = 3_600_000_000
ANA = KEYS.subject("acme", "email", "ana@example.com")
FIELDS = ["--tenant", "acme", "--scope", "news"]


@pytest.fixture
def log(monkeypatch):
    """Ana consented, and her contact opted out an hour later."""
    found = Log()
    found.add(granted(email="ana@example.com", contact="c-42"), NOON)
    found.add(event("unsubscribe.global", "no", contact="c-42"), NOON + HOUR)
    found.stand_in(monkeypatch)
    monkeypatch.setattr(whyread, "read_reports", lambda _: [])
    monkeypatch.setattr(whyread, "active_generation", lambda _: 0)
    monkeypatch.setattr(whyread, "read_control", lambda _: {})
    monkeypatch.setattr("consent_stream.commands.switching.switches", lambda _: {})
    return found


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "keys.toml"
    file.write_text(f'current = 0\n[keys]\n0 = "{"00" * 32}"\n')
    file.chmod(0o600)
    return str(file)


def why(*arguments):
    found = CliRunner().invoke(main, ["why", *FIELDS, *arguments])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def test_people_get_a_sentence_first_then_the_story_and_no_address(log, keys):
    told = why("--email", "ana@example.com", "--contact", "c-42", "--keys", keys)
    assert told.exit_code == 1
    assert told.stdout.startswith(
        "No: the person opted out of everything on 2026-03-01 12:00:01Z (received 2026-03-01 13:00:00Z)"
    )
    assert "  2026-03-01 12:00:00Z: the person consented to marketing by e-mail, news (evidence E3" in told.stdout
    assert "marketing:email:news" in told.stdout  # and not the picture of a letter
    assert ANA.hex() in told.stdout
    assert not {"ana@example.com", "c-42"} & set(told.stdout.split())
    assert "@" not in told.stdout


def test_a_yes_is_exit_0_and_the_policy_file_tells_the_hash(log, keys, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[tenants.acme]\n[[notices.acme]]\nid = "n1"\nversion = 1\nsha256 = "5ade"\n'
        'effective = 2026-01-01T00:00:00Z\npurposes = ["marketing"]\n'
    )
    then = ["--known-at", "2026-03-01T12:30:00Z"]
    told = why("--email", "ana@example.com", "--keys", keys, *then, "--policy", str(policy))
    assert (told.exit_code, told.stderr) == (0, "")
    assert "sha256 5ade" in told.stdout
    assert "sha256 unknown here (--policy names it)" in why("--email", "ana@example.com", "--keys", keys, *then).stdout


def test_json_is_the_chain(log, keys):
    told = why("--email", "ana@example.com", "--keys", keys, "--json")
    chain = json.loads(told.stdout)
    assert (chain["allow"], chain["reasons"], chain["deciding"]) == (False, ["global_opt_out"], ["no"])
    assert chain["events"][1]["facts"][0]["over"]["kind"] == "contact"


def test_a_subject_key_needs_no_key_file(log):
    told = why("--key", ANA.hex(), "--json")
    assert json.loads(told.stdout)["reasons"] == ["global_opt_out"]


def test_a_contact_alone_is_told_with_a_caution(log, keys):
    told = why("--contact", "c-42", "--keys", keys)
    assert told.exit_code == 1
    assert "only a contact was given" in told.stdout


def test_what_is_under_the_other_key_ids_is_found_by_the_address_and_missed_by_a_key(log, keys, tmp_path):
    rotated = tmp_path / "two.toml"
    rotated.write_text(f'current = 1\n[keys]\n0 = "{"00" * 32}"\n1 = "{"11" * 32}"\n')
    rotated.chmod(0o600)
    found = json.loads(why("--email", "ana@example.com", "--keys", str(rotated), "--json").stdout)
    assert [each["known"] for each in found["subjects"]] == [True, False]
    assert found["reasons"] == ["global_opt_out"]
    assert "several key ids are live" in why("--key", ANA.hex(), "--keys", str(rotated)).stdout


def test_the_kill_switch_is_told_whatever_the_answer(log, keys, monkeypatch):
    stops = {("acme", "*"): Stop(True, "wrong list", "eve", NOON), ("*", "sms"): Stop(True, "other", "bob", NOON)}
    monkeypatch.setattr("consent_stream.commands.switching.switches", lambda _: stops)
    told = why("--email", "ana@example.com", "--keys", keys)
    assert "sending is stopped (tenant acme, every list), by eve: wrong list" in told.stdout
    assert "bob" not in told.stdout


def test_a_yes_that_an_unreadable_record_makes_doubtful_is_none(log, keys):
    log.write(LEDGER, ANA, b"\xc3\x01 nonsense", NOON + HOUR)
    told = why("--email", "ana@example.com", "--keys", keys, "--known-at", "2026-03-01T12:30:00Z")
    assert told.exit_code == 2
    assert "cannot be read" in told.stderr
    assert "unreadable: consent.ledger" in told.stdout


def test_another_key_file_would_find_nothing_and_is_refused(log, keys, monkeypatch):
    name, value = encode_keys({"0": "00c0ffee00c0ffee"})
    monkeypatch.setattr(whyread, "read_control", lambda _: {name: value})
    told = why("--email", "ana@example.com", "--keys", keys)
    assert (told.exit_code, told.stdout) == (2, "")
    assert "another key file" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--email"),
        (["--email", "a@example.com", "--phone", "+12015550123"], "--email"),
        (["--key", "zz"], "38 hex digits"),
        (["--key", "0162" + "00" * 17], "38 hex digits"),
        (["--contact", "c"], "--keys"),
        (["--email", "ana@example.com"], "--keys"),
        (["--email", "ana@example.com", "--channel", "sms"], "--channel"),
        (["--key", ANA.hex(), "--at", "noon"], "--at"),
        (["--key", ANA.hex(), "--known-at", "2026-03-01"], "--known-at"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(log, arguments, named):
    told = why(*arguments)
    assert (told.exit_code, told.stdout, told.stderr.count("\n")) == (2, "", 1)
    assert named in told.stderr
    assert "@" not in told.stderr


def test_what_others_wrote_moves_no_terminal(log, keys):
    log.add(event("unsubscribe.oneclick", "\x1b[2Jgone [red]", email="ana@example.com", channel="email"), NOON + HOUR)
    told = why("--email", "ana@example.com", "--keys", keys)
    assert "\x1b" not in told.stdout
    assert "[2Jgone [red]" in told.stdout


def test_ctrl_c_gets_no_half_answer(log, keys, monkeypatch):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(whyread, "read_reports", pressed)
    told = why("--email", "ana@example.com", "--keys", keys, "--json")
    assert (told.exit_code, told.stdout, told.stderr.strip()) == (130, "", "")


def test_the_shape_of_the_json_is_documented_name_by_name():
    text = (Path(consent_stream.__file__).parents[1] / "docs" / "why.md").read_text()
    for record in (Chain, Subject, Permission, Event, FactTold, Link, Part, Change, ListRecord, GateTold, SendTold):
        for field in fields(record):
            assert f"`{field.name}`" in text, f"docs/why.md does not tell {record.__name__}.{field.name}"
    for came in COMES_TO:
        assert f"`{came}`" in text
