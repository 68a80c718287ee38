"""What is wrong with a command line of the canary or of `gate follow --metrics` is one line and exit 2."""

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from tests.faults.deployment import KEY_FILE


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.toml"
    path.touch(mode=0o600)
    path.write_text(KEY_FILE)
    return str(path)


def refused(*arguments, code=2):
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_a_canary_needs_the_key_file():
    assert "CONSENT_KEYS" in refused("canary")


def test_a_canary_does_not_press_like_a_scanner(keys):
    assert "--every" in refused("canary", "--every", "5", "--keys", keys)


def test_a_canary_presses_no_link_that_cannot_be(keys):
    assert "--edge" in refused("canary", "--edge", "consent.example.com", "--keys", keys)


@pytest.mark.parametrize("where", ["9100x", "localhost:", "70000"])
def test_a_port_that_is_none(where, keys, tmp_path):
    assert "[HOST:]PORT" in refused("canary", "--keys", keys, "--metrics", where)
    assert "[HOST:]PORT" in refused("gate", "follow", "--store", str(tmp_path / "store"), "--metrics", where)


def test_without_kafka_one_press_is_exit_1_and_says_why(keys, monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.3)
    arguments = ("canary", "--once", "--patience", "0.5", "--keys", keys, "--bootstrap", "127.0.0.1:1")
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    why, *_, last = done.stderr.splitlines()
    assert "127.0.0.1:1" in why
    assert last == "consent-stream: the press was not found in the ledger"
    assert ".invalid" not in done.stderr
