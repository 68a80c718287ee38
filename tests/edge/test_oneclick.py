"""One-click unsubscribe (RFC 8058), by a real process and a real Kafka."""

import json
import socket

import pytest

from consent_stream.wire.topics import EVENTS
from tests.edge.process import ANA, token
from tests.faults.deployment import KEYS, await_that

pytestmark = pytest.mark.kafka
FORM = b"List-Unsubscribe=One-Click"
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PARTS = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'


def taken(deployment):
    return [json.loads(each.value) for each in deployment.read(EVENTS)]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(FORM, URLENCODED, id="urlencoded"),
        pytest.param(PARTS, MULTIPART, id="multipart"),
        pytest.param(b"", {}, id="no body"),
        pytest.param(None, {"Content-Length": "0"}, id="length of none"),
        pytest.param(FORM, {}, id="no type"),
        pytest.param(b"\xff\x00=", {"Content-Type": "image/png"}, id="something else"),
        pytest.param(b"--b\r\nbroken", MULTIPART, id="broken multipart"),
        pytest.param(b"x" * 100_000, URLENCODED, id="longer than is read"),
    ],
)
def test_a_post_is_a_no_whatever_its_body(edge, deployment, body, headers):
    before = len(taken(deployment))
    answer = edge.ask("POST", f"/u/{token()}", body, headers)
    assert (answer.status, "Set-Cookie" in answer.headers, "Location" in answer.headers) == (200, False, False)
    found = taken(deployment)[before:]
    assert [each["type"] for each in found] == ["unsubscribe.oneclick.v1"]
    found[0]["data"].pop("suspect")  # the link was made just now
    found[0]["data"].pop("suspect", None)  # marks of a scanner are another matter
    assert found[0] | {"id": "", "time": ""} == {
        "specversion": "1.0",
        "id": "",
        "source": "/edge/one-click",
        "type": "unsubscribe.oneclick.v1",
        "time": "",
        "tenant": "acme",
        "datacontenttype": "application/json",
        "data": {
            "keys": [KEYS.subject("acme", "email", ANA).hex()],
            "channel": "email",
            "scope": "news",
            "message_id": "m-1@mail.example.com",
        },
    }


def test_looking_changes_nothing_and_shows_a_button(edge, deployment):
    before = len(taken(deployment))
    looks = [edge.ask(method, f"/u/{token()}") for method in ("GET", "HEAD", "GET")]
    assert [each.status for each in looks] == [200, 200, 200]
    assert b'<form method="post">' in looks[0].body
    assert looks[1].body == b""
    assert len(taken(deployment)) == before


def test_what_is_no_link_gets_one_answer(edge):
    good = token()
    bad = [good[:-1] + ("A" if good[-1] != "A" else "B"), "x", good[:40], "A" * 3000, token(tenant="globex")[:60]]
    for method in ("GET", "POST"):
        answers = [edge.ask(method, f"/u/{each}") for each in bad]
        plain = [(each.status, each.body, each.headers | {"Date": ""}) for each in answers]
        assert plain[0][0] == 404
        assert all(each == plain[0] for each in plain)


@pytest.mark.parametrize(
    ("accepted", "language"), [("de-AT,de;q=0.9", "de"), ("fr", "fr"), ("es;q=0.1", "es"), ("xx", "en")]
)
def test_the_button_speaks_the_language_that_is_asked_for(edge, accepted, language):
    for method, path in (("GET", f"/u/{token()}"), ("POST", f"/u/{token()}"), ("GET", "/u/x")):
        answer = edge.ask(method, path, headers={"Accept-Language": accepted})
        assert f'<html lang="{language}">' in answer.text
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "script" not in answer.text


def test_a_body_that_never_ends_is_a_no_all_the_same(edge, deployment):
    """The client goes in the middle of its body: what it wanted is clear."""
    good = token(message_id="half")
    with socket.create_connection(("127.0.0.1", edge.port)) as half:
        half.sendall(f"POST /u/{good} HTTP/1.1\r\nHost: edge\r\nContent-Length: 26\r\n\r\nList-Unsub".encode())
    await_that("it is taken", lambda: "half" in [each["data"]["message_id"] for each in taken(deployment)], 20)


def test_a_huge_body_is_not_read(edge):
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as huge:
        huge.sendall(f"POST /u/{token()} HTTP/1.1\r\nHost: edge\r\nContent-Length: 900000000\r\n\r\n".encode())
        answer = huge.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer


def test_a_body_in_chunks_without_end_is_not_kept(edge):
    """It may be refused a rest of its body, and not its answer."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"POST /u/{token()} HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as endless:
        endless.sendall(head + chunk * 20)
        assert endless.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_its_log_has_patterns_and_no_tokens(edge):
    good = token()
    edge.ask("POST", f"/u/{good}", FORM, URLENCODED)
    assert "POST /u/{token} 200" in edge.log
    assert good not in edge.log
