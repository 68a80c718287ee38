"""What one client can take from the others: nothing that lasts."""

import json
import socket
import time
from contextlib import contextmanager

import pytest

from consent_stream.sidecar.limits import Limits
from tests.gate.made import ANA
from tests.sidecar.served import JSON, SOON, Client, serving, until

BODY = json.dumps({"tenant": "acme", "email": ANA, "scope": "news"}).encode()
HEAD = b"POST /v1/check HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@contextmanager
def connected(port):
    with socket.create_connection(("127.0.0.1", port), timeout=SOON) as sock:
        yield sock


def until_closed(sock):
    """All that comes until the other side closes, or is gone."""
    found = b""
    try:
        while more := sock.recv(65536):
            found += more
    except ConnectionResetError:
        pass
    return found


def test_more_at_once_than_agreed_is_429_and_the_others_are_answered(gates):
    with serving(gates, Limits(concurrency=2)) as (client, sidecar):
        with connected(client.port) as one, connected(client.port) as two:
            for slow in (one, two):
                slow.sendall(REQUEST[:-5])
            assert until(lambda: sidecar.checks.taken == 2)
            answer = client.check(BODY)
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert client.get("/readyz").status == 200
            for slow in (one, two):
                slow.sendall(REQUEST[-5:])
                assert slow.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert until(lambda: sidecar.checks.taken == 0)
        assert client.check(BODY).status == 200


def test_waits_for_receipts_are_bounded_and_take_no_place_of_checks(gates):
    with serving(gates, Limits(concurrency=1)) as (client, sidecar), connected(client.port) as waiting:
        waiting.sendall(b"GET /v1/receipts/0:100000?wait=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert until(lambda: sidecar.waits.taken == 1)
        assert client.get("/v1/receipts/0:1").status == 429
        assert client.check(BODY).status == 200


def test_a_client_that_goes_away_gives_its_place_back(gates):
    with serving(gates, Limits(concurrency=1)) as (client, sidecar):
        with connected(client.port) as gone:
            gone.sendall(REQUEST[:-5])
            assert until(lambda: sidecar.checks.taken == 1)
        assert until(lambda: sidecar.checks.taken == 0)
        assert client.check(BODY).status == 200


def test_a_body_that_trickles_is_408(gates):
    with serving(gates, Limits(body_seconds=0.3)) as (client, sidecar):
        with connected(client.port) as slow:
            slow.sendall(REQUEST[:-5])
            assert until_closed(slow).startswith(b"HTTP/1.1 408 ")
        client.connection.putrequest("POST", "/v1/check")
        for name, value in {**JSON, "Content-Length": "10"}.items():
            client.connection.putheader(name, value)
        client.connection.endheaders(b"{")
        answer = client.answer("POST", "/v1/check")
        assert (answer.status, answer.said["type"]) == (408, "urn:consent-stream:problem:too-slow")
        assert sidecar.checks.taken == 0


@pytest.mark.parametrize(
    "begun", [b"", b"GET /livez HT", HEAD, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEAD]
)
def test_a_head_that_never_ends_is_closed(gates, begun):
    with serving(gates, Limits(idle_seconds=0.5)) as (client, _), connected(client.port) as slow:
        slow.sendall(begun)
        began = time.monotonic()
        until_closed(slow)
        assert time.monotonic() - began < SOON / 2


def test_a_head_that_trickles_is_closed(gates):
    with serving(gates, Limits(idle_seconds=0.5)) as (client, _), connected(client.port) as slow:
        slow.sendall(HEAD)

        def refused():
            try:
                slow.sendall(b"X-Drop: 1\r\n")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        assert until(refused, SOON / 2)


@pytest.mark.parametrize("head", [HEAD + b"X-Long: " + b"x" * 20_000, HEAD + b"X-Many: 1\r\n" * 500, b"x" * 20_000])
def test_a_head_that_is_too_large_is_400(client, head):
    with connected(client.port) as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert until_closed(sock).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))


def test_a_client_that_takes_no_answers_is_dropped(gates):
    with serving(gates, Limits(write_seconds=0.5)) as (client, _), connected(client.port) as deaf:
        body = json.dumps({"questions": [json.loads(BODY)] * 1000}).encode()
        request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body

        def refused():
            try:
                deaf.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        deaf.settimeout(SOON)
        assert until(refused)
        assert client.check(BODY).status == 200


def test_connections_are_bounded(gates):
    with serving(gates, Limits(connections=2)) as (client, _):
        assert client.check(BODY).status == 200
        with connected(client.port) as second:
            second.sendall(REQUEST)
            assert second.recv(65536).startswith(b"HTTP/1.1 200 ")
            with connected(client.port) as third:
                assert until_closed(third) == b""
            assert client.check(BODY).status == 200

        def served_again():
            other = Client(client.port)
            try:
                return other.check(BODY).status == 200
            except (ConnectionError, OSError):
                return False
            finally:
                other.close()

        assert until(served_again)


def test_a_body_is_asked_for_only_if_it_may_come(gates):
    with serving(gates, Limits(body=4096)) as (client, _):
        for length, told in ((len(BODY), b"HTTP/1.1 100 Continue"), (5000, b"HTTP/1.1 413 ")):
            with connected(client.port) as sock:
                sock.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length)
                assert sock.recv(65536).startswith(told)
                if length == len(BODY):
                    sock.sendall(BODY)
                    assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_pipelined_questions_are_answered_in_order(client):
    with connected(client.port) as sock:
        sock.sendall(REQUEST * 50 + HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\n{")
        found = until_closed(sock)
        assert found.count(b"HTTP/1.1 200 ") == 50
        assert found.count(b"HTTP/1.1 400 ") == 1
