"""What is wrong with a request: one form, the field named, nothing of what was sent."""

import gzip
import json

import pytest

from consent_stream.http.tokenfile import TokenFileError, read_token
from consent_stream.sidecar.access import Access
from consent_stream.sidecar.limits import Limits
from tests.gate.made import ANA
from tests.sidecar.served import JSON, Client, serving

GOOD = {"tenant": "acme", "email": ANA, "scope": "news"}
TOKEN = b"a-token-of-the-tests"


def refused(answer, status, code, field=None):
    assert (answer.status, answer.said["type"]) == (status, f"urn:consent-stream:problem:{code}")
    assert answer.said.get("field") == field
    assert b"ana@" not in answer.body
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant": None}, "tenant"),
        ({"tenant": 7}, "tenant"),
        ({"tenant": "t" * 257}, "tenant"),
        ({"email": None}, "email"),
        ({"phone": "+12015550123"}, "phone"),
        ({"email": None, "phone": "+12015550123", "key": "00"}, "key"),
        ({"email": ["ana@example.com"]}, "email"),
        ({"email": "a" * 1025}, "email"),
        ({"channel": "fax"}, "channel"),
        ({"channel": "sharing"}, "channel"),
        ({"channel": "sms"}, "channel"),
        ({"purpose": True}, "purpose"),
        ({"scope": {}}, "scope"),
        ({"region": 1}, "region"),
        ({"contact": 42}, "contact"),
        ({"at": True}, "at"),
        ({"at": 1.5}, "at"),
        ({"at": 1 << 62}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-01-01T00:00:00"}, "at"),
        ({"emial": "x"}, "emial"),
        ({"x" * 500: 1}, "x" * 64),
        ({"questions": "x"}, "questions"),
        ({"questions": []}, "tenant"),
    ],
)
def test_a_malformed_question_is_400_and_names_the_field(client, change, field):
    refused(client.check({**GOOD, **change}), 400, "bad-question", field)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"tenant": "\\ud800"}', b"[" * 100_000, b"NaN"])
def test_what_is_no_json_is_400(client, body):
    refused(client.check(body), 400, "not-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"17", b'"ana@example.com"'])
def test_what_is_no_object_is_400(client, body):
    refused(client.check(body), 400, "bad-question")


@pytest.mark.parametrize(
    "type_", ["text/plain", "application/x-www-form-urlencoded", "application/json-seq", "nonsense", ""]
)
def test_another_content_type_is_415(client, type_):
    refused(client.ask("POST", "/v1/check", json.dumps(GOOD), {"Content-Type": type_}), 415, "not-json-typed")


def test_a_charset_is_no_other_type(client):
    assert client.check(GOOD, **{"Content-Type": "application/json; charset=utf-8"}).status == 200


def test_a_compressed_body_is_415_and_never_unpacked(client):
    bomb = gzip.compress(b" " * 50_000_000)
    refused(client.ask("POST", "/v1/check", bomb, {**JSON, "Content-Encoding": "gzip"}), 415, "not-json-typed")


def test_too_many_bytes_or_questions_are_413(gates):
    with serving(gates, Limits(body=4096, batch=3)) as (client, _):
        assert client.check({"questions": [GOOD] * 3}).status == 200
        refused(client.check({"questions": [GOOD] * 4}), 413, "too-large", "questions")
        client.close()
        refused(client.check(json.dumps(GOOD).encode().ljust(4097)), 413, "too-large")
        client.close()
        chunks = (b" " * 1000 for _ in range(100))  # in chunks no length is told before
        refused(client.ask("POST", "/v1/check", chunks, JSON), 413, "too-large")
        client.close()
        assert client.check(json.dumps(GOOD).encode().ljust(4096)).status == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("x", "receipt"), ("1", "receipt"), ("-1:2", "receipt"), ("1:2:3", "receipt"), ("1:" + "9" * 19, "receipt"),
        ("1:2?wait=61", "wait"), ("1:2?wait=-1", "wait"), ("1:2?wait=nan", "wait"), ("1:2?wait=soon", "wait"),
        ("1:2?contact=perhaps", "contact"), ("1:2?channel=fax", "channel"), ("1:2?wait=1&wait=2", None),
        ("1:2?email=x", None),
    ],
)  # fmt: skip
def test_a_malformed_receipt_is_400(client, path, field):
    refused(client.get(f"/v1/receipts/{path}"), 400, "bad-receipt", field)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/check/", "/v2/check", "/v1/receipts/", "/ana%40example.com", "/%00"])
def test_another_path_is_404(client, path):
    refused(client.get(path), 404, "not-found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_method_is_405(client, method):
    answer = client.ask(method, "/v1/check")
    refused(answer, 405, "wrong-method")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True), ("LOCALHOST:8765", True), ("127.0.0.1:1", True), ("[::1]:8765", True),
        ("rebound.example.com", False), ("rebound.example.com:80", False), ("localhost.example.com", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_page_that_calls_itself_this_machine_is_refused(client, host, own):
    answer = client.get("/v1/status", Host=host)
    if own:
        assert answer.status == 200
    else:
        refused(answer, 421, "wrong-host")


def test_with_a_token_only_its_bearers_and_probes_are_served(gates):
    with serving(gates, access=Access(TOKEN)) as (client, _):
        for given in (
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            TOKEN.decode(),
            f"Basic {TOKEN.decode()}",
            "Bearer \xff",
        ):
            answer = client.check(GOOD, Authorization=given)
            refused(answer, 401, "no-token")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        for path in ("/v1/status", "/v1/receipts/1:1", "/v1/openapi.json", "/metrics", "/nowhere"):
            refused(client.get(path), 401, "no-token")
        bearer = {"Authorization": f"Bearer {TOKEN.decode()}"}
        assert client.check(GOOD, **bearer).said["allow"]
        assert client.check(GOOD, Authorization=f"bearer {TOKEN.decode()}", Host="gate.example.com").said["allow"]
        assert client.get("/livez").status == client.get("/readyz").status == 200
    assert TOKEN.decode() not in repr(Access(TOKEN))


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (TOKEN, 0o644, "chmod 600"), (b"short", 0o600, "16 to"), (b"with space in it all", 0o600, "visible ASCII"),
        (b"\xff" * 20, 0o600, "visible ASCII"), (b"x" * 5000, 0o600, "4096"), (None, 0, "No such file"),
    ],
)  # fmt: skip
def test_a_token_file_that_is_none_is_refused(tmp_path, content, mode, why):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(TokenFileError, match=why) as refusal:
        read_token(file)
    assert TOKEN.decode() not in str(refusal.value)


def test_a_token_file_may_end_in_a_newline(tmp_path):
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_bytes(TOKEN + b"\n")
    assert read_token(file) == TOKEN


def test_a_fault_is_500_and_its_text_stays_here(gates, caplog):
    class Broken:
        def check_many(self, questions):
            raise RuntimeError(f"cannot {questions[0].email}")

        def __getattr__(self, name):
            raise RuntimeError("ana@example.com")

    with serving({"email": Broken()}) as (client, _):
        for answer in (client.check(GOOD), client.check({"questions": [GOOD]}), client.get("/v1/status"),
                       client.get("/readyz"), client.get("/v1/receipts/1:1")):  # fmt: skip
            refused(answer, 500, "fault")
        assert client.get("/livez").status == 200
    assert "RuntimeError at test_refusals.py" in caplog.text
    assert "ana@" not in caplog.text


def test_a_second_client_is_served_beside(client):
    other = Client(client.port)
    assert other.check(GOOD).said["allow"]
    other.close()
