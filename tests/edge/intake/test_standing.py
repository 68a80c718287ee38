"""How a person stands, asked by an API key and by a link."""

import pytest

from consent_stream.testing import FakeGate
from tests.edge.intake.site import WIDE, serving
from tests.edge.process import ANA, token

HASH = "/v1/standing"


@pytest.fixture(scope="module")
def gates():
    found = {channel: FakeGate(channel=channel) for channel in ("email", "sms", "sharing")}
    found["email"].allow(tenant="acme", email=ANA, scope="news")
    found["email"].deny(tenant="acme", email="ben@example.com", reasons=("complaint",))
    yield found
    for each in found.values():
        each.close()


@pytest.fixture(scope="module")
def client(gates):
    with serving(gates) as (found, _):
        yield found


def verdicts(answer):
    assert answer.status == 200
    return {(each["purpose"], each["channel"], each["scope"]): each["allow"] for each in answer.said["verdicts"]}


def test_by_address(client):
    said = {"email": ANA, "questions": [{"scope": "news"}, {"scope": "offers"}, {"purpose": "sharing"}]}
    answer = client.post(HASH, said)
    assert verdicts(answer) == {
        ("marketing", "email", "news"): True,
        ("marketing", "email", "offers"): False,
        ("sharing", "*", "*"): False,
    }
    assert answer.said["tenant"] == "acme"
    assert answer.headers["Cache-Control"] == "no-store"
    ben = client.post(HASH, {"email": "ben@example.com", "contact": "c-1", "tenant": "acme"}, key=WIDE)
    assert ben.said["verdicts"][0]["reasons"] == ["complaint"]
    assert list(verdicts(ben)) == [("marketing", "email", "*"), ("sharing", "*", "*"), ("profiling", "*", "*")]


def test_by_phone_it_is_the_list_of_texts(client):
    assert ("marketing", "sms", "*") in verdicts(client.post(HASH, {"phone": "+12015550123"}))


def test_an_address_in_a_url_is_refused_with_a_hint(client):
    for name in ("email", "phone", "contact"):
        answer = client.ask("GET", f"{HASH}?{name}=x", headers={"Authorization": f"Bearer {WIDE}"})
        assert (answer.status, answer.said["field"]) == (400, f"/{name}")
        assert "POST" in answer.said["detail"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "/key"),
        ({"email": ANA, "phone": "+12015550123"}, "/phone"),
        ({"email": ANA, "tenant": "globex"}, "/tenant"),
        ({"email": 5}, "/email"),
        ({"email": ANA, "more": ""}, "/more"),
        ({"email": ANA, "questions": []}, "/questions"),
        ({"email": ANA, "questions": [{}] * 101}, "/questions"),
        ({"email": ANA, "questions": [{"at": "now"}]}, "/questions/0/at"),
        ({"email": ANA, "questions": [{}, {"channel": "sms"}]}, "/questions/1/channel"),
        ({"email": ANA, "questions": [{"channel": "fax"}]}, "/questions/0/channel"),
    ],
)
def test_the_field_to_blame_is_named(client, said, field):
    answer = client.post(HASH, said)
    assert (answer.status, answer.said["field"]) == (400, field)


def test_who_is_nobody_learns_nothing(client):
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {token()[:-2]}AA"}):
        assert client.ask("GET", HASH, headers=headers).status == 401
    assert client.post(HASH, {"email": ANA}, key=None).status == 401
    assert client.post(HASH, {"token": "x"}, key=None).status == 401


def test_a_link_asks_for_its_person_alone(client):
    for tries in (
        client.ask("GET", f"{HASH}?scope=news", headers={"Authorization": f"Bearer {token()}"}),
        client.post(HASH, {"token": token(), "questions": [{"scope": "news"}]}, key=None),
    ):
        assert list(verdicts(tries)) == [("marketing", "email", "news")]
    answer = client.post(HASH, {"token": token(), "email": ANA}, key=None)
    assert (answer.status, answer.said["field"]) == (400, "/email")
    assert client.post(HASH, {"token": token(), "tenant": "globex"}, key=None).said["field"] == "/tenant"


def test_without_proof_there_is_no_answer(client, gates):
    gates["email"].grow_stale()
    try:
        answer = client.post(HASH, {"email": ANA, "questions": [{"scope": "news"}]})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (answer.said["verdicts"][0]["allow"], answer.said["verdicts"][0]["reasons"][0]) == (False, "stale")
    finally:
        gates["email"].recover()
    assert client.post(HASH, {"email": ANA}).status == 200


def test_an_edge_without_lists_says_so():
    with serving() as (client, _):
        assert client.post(HASH, {"email": ANA}).status == 503
        assert client.ask("GET", HASH, headers={"Authorization": f"Bearer {token()}"}).status == 503
