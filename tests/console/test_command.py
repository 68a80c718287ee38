"""`consent-stream console`: what it refuses, in one line and before anything begins."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from tests.console.site import TOKEN


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "keys.toml"
    file.touch(0o600)
    file.write_text(f'current = 0\n[keys]\n0 = "{"00" * 32}"\n')
    return str(file)


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(TOKEN)
    return str(file)


def refusal(*arguments):
    told = CliRunner().invoke(main, ["console", "--port", "0", *arguments], env={"CONSENT_CONSOLE_TOKEN": None})
    assert (told.exit_code, told.stdout) == (2, "")
    (line,) = told.stderr.splitlines()
    assert TOKEN not in line
    return line


def test_without_keys_nobody_can_be_looked_up(token):
    assert "CONSENT_KEYS" in refusal("--token", token)


def test_without_a_token_or_a_proxy_nobody_could_come_in(keys):
    assert "--token" in refusal("--keys", keys)


def test_a_header_without_a_trusted_proxy_is_refused_with_a_token_too(keys, token):
    for more in ([], ["--token", token]):
        assert "--trusted-proxy" in refusal("--keys", keys, "--oidc-header", "X-Forwarded-Email", *more)


@pytest.mark.parametrize("proxy", ["proxy.example.com", "10.0.0.1/8", ""])
def test_a_proxy_is_an_address_or_a_network(keys, proxy):
    assert "--trusted-proxy" in refusal("--keys", keys, "--oidc-header", "X-User", "--trusted-proxy", proxy)


def test_off_this_machine_it_wants_tls_or_to_be_told(keys, token):
    assert "--behind-tls" in refusal("--keys", keys, "--token", token, "--host", "0.0.0.0")


def test_a_token_that_others_may_read_or_that_is_none_is_refused(keys, tmp_path):
    file = tmp_path / "open"
    file.write_text(TOKEN)
    file.chmod(0o644)
    assert "chmod 600" in refusal("--keys", keys, "--token", str(file))
    file.chmod(0o600)
    file.write_text("short")
    assert "16 to 4096" in refusal("--keys", keys, "--token", str(file))
    assert "No such file" in refusal("--keys", keys, "--token", str(tmp_path / "none"))


def test_a_key_file_that_is_none_is_refused(token, tmp_path):
    file = tmp_path / "keys.toml"
    file.touch(0o600)
    assert "keys.toml" in refusal("--keys", str(file), "--token", token)


def test_a_port_that_is_taken_is_named(keys, token):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--port {port}" in refusal("--keys", keys, "--token", token, "--port", port)
