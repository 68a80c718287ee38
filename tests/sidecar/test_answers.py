"""What HTTP answers is what `Gate.check` answers."""

import json
from dataclasses import fields

import pytest

from consent_stream.gate import Status, Verdict
from consent_stream.sidecar.answers import verdict_members
from tests.gate.made import ANA, ANAS
from tests.sidecar.population import questions

PHONE = "+12015550123"
MOVES = ("applied_through", "staleness_s", "valid_until")  # from one instant to the next


def lasting(members):
    return {name: value for name, value in members.items() if name not in MOVES}


def of_gate(gate, asked):
    return lasting(json.loads(json.dumps(verdict_members(gate.check(**asked)))))


def test_single_answers_are_those_of_the_gate(client, gates):
    outcomes = set()
    for asked in questions(500):
        answer = client.check(asked)
        assert lasting(answer.said) == of_gate(gates["email"], asked), asked
        assert answer.status == 200
        outcomes.add((answer.said["allow"], *answer.said["reasons"]))
    assert len(outcomes) > 10
    assert (True,) in outcomes


def test_batches_answer_in_the_order_of_the_questions(client, gates):
    batch = list(questions(700, seed=8))
    answer = client.check({"questions": batch})
    assert answer.status == 200
    assert [lasting(each) for each in answer.said["answers"]] == [of_gate(gates["email"], asked) for asked in batch]


def test_an_allowance_has_its_proof(client):
    said = client.check({"tenant": "acme", "email": ANA, "scope": "news"}).said
    assert list(said) == ["allow", "reasons", "facts", "version", *MOVES]
    assert (said["allow"], said["reasons"], said["facts"], said["version"]) == (True, [], ["g1"], 7)
    assert 0 <= said["staleness_s"] < 10
    assert said["applied_through"] < said["valid_until"]


def test_every_member_of_a_verdict_is_told():
    told = verdict_members(Verdict(False, ("stale",), (), 0, None, None, 0))
    assert [name.removesuffix("_s") for name in told] == [each.name for each in fields(Verdict)]


def test_the_channel_is_named_or_that_of_the_address(client):
    assert client.check({"tenant": "acme", "phone": PHONE}).said["reasons"] == ["no_consent"]  # the grant is for news
    assert client.check({"tenant": "acme", "phone": PHONE, "scope": "news"}).said["allow"]
    assert client.check({"tenant": "acme", "phone": "2015550123", "region": "us", "scope": "news"}).said["allow"]
    assert client.check({"tenant": "acme", "key": ANAS.hex(), "scope": "news"}).said["allow"]
    assert client.check({"tenant": "acme", "key": ANAS.hex(), "scope": "news", "channel": "email"}).said["allow"]


def test_a_batch_may_ask_several_lists_and_survives_a_malformed_question(client):
    batch = [
        {"tenant": "acme", "email": ANA, "scope": "news"},
        {"tenant": "acme", "phone": PHONE, "scope": "news"},
        {"tenant": "acme", "phone": PHONE, "channel": "email"},
        {"tenant": "acme", "email": ANA, "phone": PHONE},
        17,
        {"tenant": "acme", "email": ANA, "scope": "offers"},
    ]
    answer = client.check({"questions": batch})
    assert answer.status == 200
    answers = answer.said["answers"]
    assert [each["allow"] for each in answers] == [True, True, False, False, False, False]
    assert [each.get("error", {}).get("field") for each in answers[2:5]] == ["channel", "phone", None]
    assert {each["error"]["status"] for each in answers[2:5]} == {400}
    assert answers[5]["reasons"] == ["topic_opt_out", "no_consent"]


def test_an_empty_batch_has_no_answers(client):
    assert client.check({"questions": []}).said == {"answers": []}


def test_null_counts_as_not_given(client):
    asked = {"tenant": "acme", "email": ANA, "phone": None, "key": None, "purpose": None, "scope": "news", "at": None}
    assert client.check(asked).said["allow"]


@pytest.mark.parametrize("at", ["1969-01-01T00:00:00Z", "1969-01-01T01:00:00.5+01:00", -31_536_000_000_000])
def test_the_instant_can_be_chosen(client, at):
    said = client.check({"tenant": "acme", "email": ANA, "scope": "news", "at": at}).said
    assert said["reasons"] == ["no_consent"]


def test_the_status_tells_all_that_gates_tell_and_how_far_they_are(client, gates):
    said = client.get("/v1/status").said
    assert (said["ready"], said["closing"]) == (True, False)
    assert list(said["gates"]) == ["email", "sms"]
    for channel, offset in (("email", 100), ("sms", 50)):
        members = said["gates"][channel]
        assert {name.removesuffix("_s") for name in members} == {each.name for each in fields(Status)} | {"vector"}
        assert members["vector"]["settled"] == {str(p): offset for p in range(4)}
        assert members["entries"] == gates[channel].status().entries


def test_probes(client):
    assert (client.get("/livez").status, client.get("/livez").said) == (200, {"live": True})
    assert (client.get("/readyz").status, client.get("/readyz").said) == (200, {"ready": True})


def test_receipts(client):
    assert client.get("/v1/receipts/3:49").said == {
        "receipt": "3:49", "enforced": True, "gates": {"email": True, "sms": True},
    }  # fmt: skip
    assert client.get("/v1/receipts/3:99?wait=0.05").said["gates"] == {"email": True, "sms": False}
    assert client.get("/v1/receipts/3:99?channel=email&contact=true").said["enforced"] is True
    assert client.get("/v1/receipts/3:100?channel=email").said["enforced"] is False
    assert client.get("/v1/receipts/9:0").said["enforced"] is False
