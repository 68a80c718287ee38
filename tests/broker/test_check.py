"""`consent-stream check` and `publish --wait`, against a list written by hand on the embedded broker."""

import json
import socket

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.domain.facts import REASONS
from tests.contract.gate.worker import Worker
from tests.gate.made import ANA, ANAS, RING, entry, grant, restriction

PHONE = "+12015550123"


@pytest.fixture
def keys(tmp_path):
    """The key of all these tests: 32 zero bytes."""
    file = tmp_path / "keys.toml"
    file.write_text(f'current = 0\n[keys]\n0 = "{"00" * 32}"\n')
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def worker(embedded):
    found = Worker(embedded, "check-")
    found.start()
    found.write((ANAS, entry(grant(), restriction("topic_opt_out", "offers", ident="r9"), version=7)))
    with found.beating(offset=100):
        yield found


@pytest.fixture
def check(worker, keys):
    def run(*arguments, tenant="acme"):
        place = ["--bootstrap", worker.bootstrap, "--topic-prefix", worker.prefix, "--keys", str(keys)]
        return CliRunner().invoke(main, ["check", "--tenant", tenant, *place, *arguments])

    return run


def test_yes_is_exit_0_and_the_whole_answer_in_json(check):
    told = check("--email", ANA, "--scope", "news", "--json")
    assert told.exit_code == 0, told.stderr
    answer = json.loads(told.stdout)
    assert list(answer) == ["allow", "reasons", "facts", "version", "applied_through", "staleness_s"]
    assert (answer["allow"], answer["reasons"], answer["facts"], answer["version"]) == (True, [], ["g1"], 7)
    assert answer["staleness_s"] < 10
    assert type(answer["applied_through"]) is int


def test_no_is_exit_1_with_every_reason(check):
    told = check("--email", ANA, "--scope", "offers", "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["reasons"] == ["topic_opt_out", "no_consent"]


def test_people_get_words_and_no_address(check):
    told = check("--email", ANA, "--scope", "offers")
    assert told.exit_code == 1
    assert told.stdout.startswith("DENY")
    assert "opted out of this topic" in told.stdout
    assert "ana" not in told.output
    assert check("--email", ANA, "--scope", "news").stdout.startswith("ALLOW")


def test_a_subject_key_stands_for_the_address(check):
    assert check("--key", ANAS.hex(), "--scope", "news").exit_code == 0
    assert check("--key", ANAS.hex(), "--scope", "news", tenant="umbrella").exit_code == 1


def test_the_instant_can_be_chosen(check):
    told = check("--email", ANA, "--scope", "news", "--at", "1969-01-01T00:00:00Z", "--json")
    assert json.loads(told.stdout)["reasons"] == ["no_consent"]


def test_a_phone_is_looked_up_on_the_sms_list(check, embedded, worker):
    texts = Worker(embedded, worker.prefix, "sms")
    key = RING.subject("acme", "sms", PHONE)
    texts.write((key, entry(grant(channel="sms"), channel="sms", channels=2)))
    with texts.beating():
        assert check("--phone", PHONE, "--scope", "news").exit_code == 0
        assert check("--phone", "201 555 0123", "--region", "US", "--scope", "news").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--email", "nobody"], "bad_address"),
        (["--phone", "12"], "bad_address"),
        (["--key", "zz"], "bad_address"),
        (["--email", ANA, "--purpose", "gossip"], "unknown_purpose"),
    ],
)
def test_a_question_that_cannot_be_read_is_a_no(check, arguments, reason):
    told = check(*arguments, "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["reasons"] == [reason]


@pytest.fixture
def apart(embedded, prefix, keys):
    """A deployment that nobody beats for."""
    place = ["--bootstrap", embedded, "--topic-prefix", f"{prefix}x", "--keys", str(keys)]
    return Worker(embedded, f"{prefix}x"), ["check", "--tenant", "acme", "--email", ANA, *place, "--timeout", "1"]


def test_a_list_without_heartbeats_is_a_no_in_time(apart):
    silent, command = apart
    silent.start()
    silent.write((ANAS, entry(grant())))
    told = CliRunner().invoke(main, [*command, "--json"])
    assert told.exit_code == 1, told.stderr
    assert json.loads(told.stdout)["reasons"][0] == "stale"
    assert json.loads(told.stdout)["staleness_s"] is None


def test_a_list_that_is_not_there_is_exit_2_and_says_what_makes_it(apart):
    told = CliRunner().invoke(main, apart[1])
    assert told.exit_code == 2
    assert "topics apply" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--email", ANA, "--phone", PHONE], "exactly one"),
        ([], "exactly one"),
        (["--email", ANA, "--channel", "sms"], "no such addresses"),
        (["--email", ANA, "--channel", "fax"], "--channel"),
        (["--email", ANA, "--at", "tomorrow"], "--at"),
        (["--email", ANA, "--keys", "/no/such/file"], "/no/such/file"),
    ],
)
def test_a_wrong_call_is_exit_2_with_one_line(check, arguments, named):
    told = check(*arguments)
    assert told.exit_code == 2
    assert told.stdout == ""
    assert told.stderr.count("\n") == 1
    assert named in told.stderr
    assert "ana@" not in told.stderr


def test_without_a_key_file_nothing_can_be_looked_up(embedded):
    told = CliRunner().invoke(main, ["check", "--tenant", "acme", "--email", ANA, "--bootstrap", embedded])
    assert told.exit_code == 2
    assert "--keys (CONSENT_KEYS)" in told.stderr


def test_no_kafka_is_exit_2_with_one_line(keys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
    place = ["--bootstrap", nowhere, "--keys", str(keys), "--timeout", "0.5"]
    told = CliRunner().invoke(main, ["check", "--tenant", "acme", "--email", ANA, *place])
    assert told.exit_code == 2
    assert nowhere in told.stderr
    assert told.stderr.count("\n") == 1


def test_every_reason_has_words():
    from consent_stream.commands.check import WORDS

    assert tuple(WORDS) == REASONS


def test_publish_waits_until_every_list_enforces_it(embedded, prefix, tmp_path):
    for channel in ("email", "sms", "sharing"):
        Worker(embedded, prefix, channel).beat(offset=100)
    file = tmp_path / "events"
    file.write_bytes(b"one\n")
    place = ["--bootstrap", embedded, "--topic-prefix", prefix]
    told = CliRunner().invoke(main, ["publish", str(file), *place, "--wait", "10"])
    assert (told.exit_code, told.stderr) == (0, "enforced\n")


def test_publish_says_so_when_a_list_does_not_enforce_it_in_time(embedded, prefix, tmp_path):
    file = tmp_path / "events"
    file.write_bytes(b"one\n")
    told = CliRunner().invoke(
        main, ["publish", str(file), "--bootstrap", embedded, "--topic-prefix", prefix, "--wait", "0.3"]
    )
    assert told.exit_code == 1
    assert "not enforced" in told.stderr
