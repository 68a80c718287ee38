"""The press at an edge: a link of its own keys, with the body of RFC 8058, and what came of it in one line."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from consent_stream.dev.ports import free_ports
from consent_stream.edge.tokens import Links
from consent_stream.monitoring.pressing import ADDRESSES, AGED, at_edge, keys_of
from consent_stream.wire.keys import Keyring, UnknownTenantKey
from tests.faults.deployment import KEYS


@contextmanager
def edge(status):
    """Stands in for an edge: (port, what it was asked)."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, body, self.headers["Content-Type"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_the_addresses_are_few_nobodys_and_all_keys():
    keys = keys_of(KEYS, "canary")
    assert len(set(keys)) == len(ADDRESSES) == 8
    assert all(address.endswith(".invalid") for address in ADDRESSES)
    with pytest.raises(UnknownTenantKey):
        keys_of(Keyring({}, 0, {("acme", 0): bytes(32)}), "canary")


def test_a_press_is_that_of_a_mail_program():
    key = keys_of(KEYS, "canary")[0]
    with edge(200) as (url, asked):
        assert at_edge(KEYS, "canary", url)(key).trouble is None
    ((path, body, kind),) = asked
    link = Links(KEYS).read(path.removeprefix("/u/"))
    assert (link.tenant, link.channel, link.keys, link.program) == ("canary", "email", (key,), "canary")
    assert (body, kind) == (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
    assert AGED > 60, "else it would be marked as a scanner's"


@pytest.mark.parametrize("status", [404, 503])
def test_an_edge_that_refuses_is_one_line(status):
    with edge(status) as (url, _):
        pressed = at_edge(KEYS, "canary", url)(keys_of(KEYS, "canary")[0])
    assert pressed == (None, f"the edge answered {status}")


def test_an_edge_that_is_away_is_one_line_without_the_link():
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    pressed = at_edge(KEYS, "canary", url)(keys_of(KEYS, "canary")[0])
    assert pressed.place is None
    assert pressed.trouble.startswith("no answer of the edge: ")
    assert "/u/" not in pressed.trouble
