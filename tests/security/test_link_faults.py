"""A wrong password, a wrong certificate: one line that says so, an exit code, and no storm of attempts."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from consent_stream.keyfile import new_keys
from tests.faults.deployment import await_that
from tests.security.secured import STRANGERS, Ran, counting, password, run

pytestmark = pytest.mark.kafka
WATCHED_S = 4.0
# A client knocks about three times a second while it has a question, a gate has two; a storm is 20 times, of each.
MOST_A_SECOND = 8.0

# What is wrong: (listener to speak to, settings, words that must be told).
FAULTS = {
    "password": ("GOOD", {"sasl_password_file": "nobody"}, "[Aa]uthentication failed"),
    "user": ("GOOD", {"sasl_username": "stranger"}, "[Aa]uthentication failed"),
    "other CA": ("GOOD", {"ssl_ca": "STRANGER"}, "[Cc]ertificate|verif|SSL"),
    "host name": ("STRANGER", {}, "[Hh]ost ?name|certificate|verif|SSL"),
    "expired": ("EXPIRED", {}, "expired|certificate|SSL"),
}


def wrong(broker, fault, port=None):
    listener, over, _ = FAULTS[fault]
    over = dict(over)
    if "sasl_password_file" in over:
        over["sasl_password_file"] = broker.password_file(over["sasl_password_file"])
    if "ssl_ca" in over:
        over["ssl_ca"] = broker.folder / f"{over['ssl_ca']}.crt"
    if port is not None:
        over["bootstrap"] = f"127.0.0.1:{port}"
    return {"user": "gate", "listener": listener, **over}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    new_keys(path)
    return path


COMMANDS = {
    "topics": (("topics", "diff"), 1),
    "publish": (("publish", "-"), 1),
    "check": (("check", "--tenant", "t", "--email", "a@example.com", "--timeout", "2"), 2),
    "acls": (("acls", "diff", "--role", "gate", "--principal", "User:gate"), 1),
}


TRIED = [*(("topics", fault) for fault in FAULTS), *((name, "password") for name in COMMANDS if name != "topics"),
         ("check", "expired")]  # fmt: skip


@pytest.mark.parametrize(("command", "fault"), TRIED)
def test_a_command_says_in_one_line_that_it_cannot_get_through(broker, keys, command, fault):
    arguments, code = COMMANDS[command]
    with counting(broker.ports[FAULTS[fault][0]]) as counter:
        began = time.monotonic()
        ran = run(broker.environment(**wrong(broker, fault, counter.port), keys=keys), *arguments, given=b"{}")
        took = time.monotonic() - began
    assert ran.code == code, ran
    assert len(ran.err.strip().splitlines()) == 1, ran
    assert re.search(FAULTS[fault][2], ran.err), ran
    assert took < 15
    assert counter.count <= 3 + MOST_A_SECOND * took


@pytest.mark.parametrize("fault", ["password", "expired"])
@pytest.mark.parametrize("command", [("worker",), ("gate", "follow", "--store")], ids=["worker", "gate follow"])
def test_a_process_that_stays_asks_on_in_peace_and_says_why(broker, keys, tmp_path, command, fault):
    arguments = [*command, str(tmp_path / "store")] if command[0] == "gate" else list(command)
    with counting(broker.ports[FAULTS[fault][0]]) as counter:
        environment = broker.environment(**wrong(broker, fault, counter.port), keys=keys, data_dir=tmp_path / "data")
        process = subprocess.Popen(
            [sys.executable, "-m", "consent_stream", *arguments], env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            await_that("it has knocked", lambda: counter.count > 0, 30)
            before, began = counter.count, time.monotonic()
            time.sleep(WATCHED_S)
            attempts, took = counter.count - before, time.monotonic() - began
            assert process.poll() is None
        finally:
            process.terminate()
            told, _ = process.communicate(timeout=30)
    Ran.every.append(told)
    assert attempts <= 3 + MOST_A_SECOND * took, told
    if command[0] == "worker":
        assert re.search(FAULTS[fault][2], told), told
        assert process.returncode == 0, told


def test_no_process_ever_said_a_password(broker, keys):
    """All that was written so far, on this and every other occasion: those of `broker` and the keys' own text."""
    secrets = [password(user) for user in STRANGERS]
    secrets += [line.split('"')[1] for line in keys.read_text().splitlines() if line.endswith('"')]
    assert len(Ran.every) > 5
    for text in Ran.every:
        assert not [secret for secret in secrets if secret in text]


def test_no_secret_stands_on_a_command_line_or_in_a_repr(broker, keys):
    settings = broker.settings("gate", keys=keys)
    assert password("gate") not in repr(settings)
    assert settings.sasl_password == password("gate")
    assert password("gate") not in " ".join(f"{name}={value}" for name, value in broker.environment("gate").items())
