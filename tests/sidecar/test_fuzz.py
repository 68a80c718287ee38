"""Whatever is sent: an answer that the document describes, and never a fault."""

import json
import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent_stream.http.problems import Problem
from consent_stream.sidecar.questions import TEXTS, read_question
from tests.gate.made import ANA, ANAS
from tests.sidecar.documented import valid
from tests.sidecar.served import SOON

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
QUESTION = {"$ref": "#/components/schemas/Question"}
CHANNELS = ("email", "sms", "sharing")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
texts = st.text() | st.sampled_from(
    [ANA, ANAS.hex(), "+12015550123", "2015550123", "us", "acme", "news", "news/weekly", *CHANNELS, "marketing",
     "x" * 256, "x" * 257, "x" * 1024, "x" * 1025, "\x00", "2026-01-01T00:00:00Z"]
)  # fmt: skip
names = st.sampled_from([*TEXTS, "at", "nonsense"])
near = st.dictionaries(names, texts | values, max_size=6) | st.dictionaries(st.sampled_from(sorted(TEXTS)), texts)
questions = near.map(lambda some: {"tenant": "acme", "email": ANA, **some}) | near


@QUICK
@given(body=st.binary(max_size=200))
def test_any_bytes(client, body):
    assert client.check(body).status in (200, 400)


@QUICK
@given(body=values)
def test_any_json(client, body):
    assert client.check(body).status == 400


@QUICK
@given(body=questions)
def test_anything_like_a_question(client, body):
    assert client.check(body).status in (200, 400)


@QUICK
@given(body=st.fixed_dictionaries({"questions": st.lists(questions | values, max_size=5)}))
def test_anything_like_a_batch(client, body):
    answer = client.check(body)
    assert answer.status == 200
    assert len(answer.said["answers"]) == len(body["questions"])


@settings(max_examples=1000, deadline=None)
@given(question=questions)
def test_what_is_taken_is_what_the_document_describes(question):
    if isinstance(question.get("at"), str):
        question["at"] = None  # `format` is a remark in JSON Schema
    try:
        read_question(question, CHANNELS)
        taken = True
    except Problem:
        taken = False
    # JSON has one kind of number, and to JSON Schema 1.0 is an integer; a question must spell it as one.
    described = valid(QUESTION, question) and not isinstance(question.get("at"), float)
    assert taken == described


@QUICK
@given(target=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_any_path(client, target):
    assert client.get("/" + target.replace("#", "")).status in (200, 400, 404)


@settings(QUICK, max_examples=60)
@given(sent=st.binary(max_size=300) | st.binary(max_size=300).map(b"POST /v1/check HTTP/1.1\r\n".__add__))
def test_any_bytes_on_the_wire(client, sent):
    with socket.create_connection(("127.0.0.1", client.port), timeout=SOON) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        told = b""
        try:
            while more := sock.recv(65536):
                told += more
        except ConnectionResetError:
            pass
    assert b" 500 " not in told.partition(b"\r\n")[0]
    assert client.get("/livez").status == 200


def test_the_same_question_in_other_spellings(client):
    plain = client.check({"tenant": "acme", "email": ANA, "scope": "news"}).said
    spelled = json.dumps({"scope": "news", "email": ANA, "tenant": "acme"}, indent=4).replace("@", "\\u0040")
    assert client.check(spelled.encode()).said["facts"] == plain["facts"]
