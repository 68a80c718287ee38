"""What mailers make links with: the library and the command."""

import json
import re
import subprocess
import sys
from email import message_from_string, policy
from pathlib import Path

import pytest

import consent_stream
from consent_stream.edge.tokens import Link, Links
from consent_stream.keyfile import new_keys, rotate_keys
from consent_stream.links import Sender, unsubscribe_headers
from consent_stream.wire.keys import Keyring
from tests.faults.deployment import KEYS

BASE = "https://consent.example.com/"


def test_a_token_has_the_keys_that_a_gate_asks_for():
    sender = Sender(KEYS, BASE)
    link = Links(KEYS).read(sender.token("acme", email=" Ana@EXAMPLE.com", contact="c-42", scope="news", issued=7))
    assert link.keys == (KEYS.subject("acme", "email", "ana@example.com"), KEYS.subject("acme", "contact", "c-42"))
    assert (link.tenant, link.channel, link.program, link.issued) == ("acme", "email", "news", 7)
    text = Links(KEYS).read(sender.token("acme", phone="(201) 555-0123", region="US"))
    assert (text.channel, text.keys) == ("sms", (KEYS.subject("acme", "sms", "+12015550123"),))
    by_key = Links(KEYS).read(sender.token("acme", key=link.keys[0]))
    assert (by_key.channel, by_key.keys) == ("email", link.keys[:1])


@pytest.mark.parametrize("wrong", [{}, {"email": "ana"}, {"phone": "12"}, {"email": "a@example.com", "phone": "+1"}])
def test_what_is_no_address_is_refused_and_not_repeated(wrong):
    with pytest.raises(ValueError, match=r"exactly one|the address is none") as error:
        Sender(KEYS, BASE).token("acme", **wrong)
    assert not any(value in str(error.value) for value in wrong.values())


def test_what_would_stand_for_many_is_refused():
    sender = Sender(KEYS, BASE)
    for contact in ("", "\ud800"):
        with pytest.raises(ValueError, match="the contact is none"):
            sender.token("acme", email="ana@example.com", contact=contact)
    for key in (KEYS.subject("acme", "contact", "c-42"), bytes(19), b"\x01a"):
        with pytest.raises(ValueError, match="none of an address"):
            sender.token("acme", key=key)


@pytest.mark.parametrize(
    ("base", "mail"),
    [
        ("ftp://consent.example.com", None),
        ("consent.example.com", None),
        ("https://consent.example.com/?a=b", None),
        ("https://consent.example.com\r\nBcc: x", None),
        ("https://consent.example.com\n", None),
        ("https://consent.example.com>", None),
        (BASE, "unsubscribe"),
        (BASE, ""),
        (BASE, "u@example.com\r\nBcc: x@example.com"),
    ],
)
def test_what_no_header_can_hold_is_refused(base, mail):
    with pytest.raises(ValueError, match=r"base URL|by mail"):
        Sender(KEYS, base, mail)


def test_the_headers_are_those_of_the_rfc():
    headers = unsubscribe_headers("TOKEN", BASE, "unsubscribe+x@example.com")
    assert headers == {
        "List-Unsubscribe": "<https://consent.example.com/u/TOKEN>, <mailto:unsubscribe+x@example.com?subject=TOKEN>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert unsubscribe_headers("T", BASE)["List-Unsubscribe"] == "<https://consent.example.com/u/T>"


def test_the_link_of_the_contract_is_made_as_it_says():
    text = (Path(consent_stream.__file__).parent.parent / "docs" / "contract.md").read_text().partition("## Links")[2]
    block = re.search(r"    (\{.*?\})\n    (\S+)\n", text, re.DOTALL)
    told = json.loads(block[1])
    link = Link(**told | {"keys": tuple(map(bytes.fromhex, told["keys"]))})
    assert Links(KEYS).mint(link) == block[2]


def run(*arguments):
    command = [sys.executable, "-m", "consent_stream", "token", "new", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_command_prints_a_link_that_stays_good_when_keys_rotate(tmp_path):
    new_keys(tmp_path / "keys.toml")
    who = ("--tenant", "acme", "--email", "ana@example.com", "--program", "news", "--message-id", "m-1")
    told = run(*who, "--keys", tmp_path / "keys.toml", "--mail", "u@example.com")
    assert told.returncode == 0, told.stderr
    found = message_from_string(told.stdout, policy=policy.default)
    token = found["token"].strip()
    assert found["List-Unsubscribe"].startswith(f"<https://consent.example.com/u/{token}>, <mailto:")
    assert "example.com" not in token
    rotated = rotate_keys(tmp_path / "keys.toml")
    assert Links(Keyring(rotated.keys, rotated.current)).read(token).message_id == "m-1"
    said = json.loads(run(*who, "--keys", tmp_path / "keys.toml", "--json").stdout)
    assert said["preferences"] == f"https://consent.example.com/p/{said['token']}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tenant", "acme"], "--keys (CONSENT_KEYS)"),
        (["--tenant", "acme", "--keys", "KEYS"], "exactly one of"),
        (["--tenant", "acme", "--keys", "KEYS", "--email", "nobody"], "the address is none"),
        (["--tenant", "acme", "--keys", "KEYS", "--key", "zz"], "--key: hex"),
        (["--tenant", "acme", "--keys", "KEYS", "--email", "a@example.com", "--program", ""], "a link needs"),
        (["--tenant", "acme", "--keys", "KEYS", "--email", "a@example.com", "--contact", ""], "the contact is none"),
        (["--tenant", "acme", "--keys", "KEYS", "--email", "a@example.com", "--base-url", "ftp://x"], "the base URL"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(arguments, says, tmp_path):
    new_keys(tmp_path / "k.toml")
    told = run(*(str(tmp_path / "k.toml") if each == "KEYS" else each for each in arguments))
    assert (told.returncode, told.stdout, len(told.stderr.splitlines())) == (2, "", 1)
    assert says in told.stderr
