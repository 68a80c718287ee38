"""Without proof of freshness there is no answer: 503 and a denial, never a guess."""

import pytest

from consent_stream import Gate
from tests.contract.gate.worker import Worker
from tests.gate.made import ANA, ANAS, RING, entry, grant, restriction
from tests.sidecar.served import serving, until

GOOD = {"tenant": "acme", "email": ANA, "scope": "news"}
PHONE = {"tenant": "acme", "phone": "+12015550123"}


@pytest.fixture
def worker(embedded, prefix):
    found = Worker(embedded, prefix)
    found.write((ANAS, entry(grant(), version=4)))
    return found


def gate_of(worker, **over):
    return Gate(bootstrap=worker.bootstrap, topic_prefix=worker.prefix, keys=RING, **over)


def no_answer(answer, *reasons):
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert (answer.said["allow"], answer.said["reasons"]) == (False, list(reasons))


def test_it_denies_with_503_until_all_is_read_and_after_heartbeats_stop(worker):
    with gate_of(worker, staleness_limit=1.0) as gate, serving({"email": gate}) as (client, _):
        no_answer(client.check(GOOD), "not_ready")
        trouble = client.get("/readyz")
        assert trouble.status == 503
        assert trouble.said["gates"]["email"] == gate.status().trouble
        assert client.get("/livez").status == 200
        assert client.get("/v1/status").said["ready"] is False
        worker.start()
        with worker.beating():
            assert until(lambda: client.get("/readyz").status == 200)
            assert client.check(GOOD).said["allow"]
            assert client.get("/v1/status").said["ready"] is True
        assert until(lambda: client.check(GOOD).status == 503)  # the worker has stopped
        no_answer(client.check(GOOD), "stale")
        no_answer(client.check({**GOOD, "purpose": "transactional"}), "stale")
        assert "heartbeats" in client.get("/readyz").said["gates"]["email"]
        with worker.beating():
            assert until(lambda: client.check(GOOD).status == 200)


def test_what_is_known_without_any_list_is_an_answer(worker):
    with gate_of(worker) as gate, serving({"email": gate}) as (client, _):
        for question, reason in (({"email": "none"}, "bad_address"), ({"purpose": "none"}, "unknown_purpose")):
            answer = client.check({**GOOD, **question})
            assert (answer.status, answer.said["reasons"]) == (200, [reason])


def test_what_was_found_stands_beside_the_gap(worker):
    worker.start()
    worker.write((ANAS, entry(grant(), restriction(), version=5)))
    with gate_of(worker) as gate, serving({"email": gate}) as (client, _):
        assert until(lambda: client.check(GOOD).said["reasons"] == ["stale", "unsubscribed"])
        no_answer(client.check(GOOD), "stale", "unsubscribed")


def test_one_unproven_answer_makes_the_batch_503_and_each_stands_as_it_is(worker):
    worker.start()
    email, sms = gate_of(worker), gate_of(worker, channel="sms")
    with email, sms, worker.beating(), serving({"email": email, "sms": sms}) as (client, _):
        assert until(lambda: email.status().ready)
        assert client.check({"questions": [GOOD]}).status == 200
        answer = client.check({"questions": [GOOD, PHONE, {}]})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        first, second, third = answer.said["answers"]
        assert first["allow"] is True
        assert second["reasons"][0] in ("not_ready", "stale")
        assert third["error"]["field"] == "tenant"
        assert list(client.get("/readyz").said["gates"]) == ["sms"]
        assert client.check({"questions": [GOOD, {}]}).status == 200


def test_a_row_that_cannot_be_read_is_no_answer(worker):
    worker.start()
    worker.write((ANAS, b"garbage"))
    with gate_of(worker) as gate, worker.beating(), serving({"email": gate}) as (client, _):
        assert until(lambda: client.get("/readyz").status == 200)
        no_answer(client.check(GOOD), "not_ready")
        assert client.get("/v1/status").said["gates"]["email"]["alarms"] == {"unreadable_value": 1}


def test_a_kill_switch_is_an_answer(worker):
    worker.start()
    with gate_of(worker) as gate, worker.beating(), serving({"email": gate}) as (client, _):
        assert until(lambda: client.check(GOOD).said["allow"])
        worker.switch(on=True)
        assert until(lambda: client.check(GOOD).said["reasons"] == ["stopped"])
        assert client.check(GOOD).status == 200


def test_a_wait_for_a_receipt_ends_when_it_is_enforced(worker):
    worker.start()
    with gate_of(worker) as gate, serving({"email": gate}) as (client, _):
        worker.beat(offset=6)
        assert until(lambda: client.get("/v1/receipts/1:5").said["enforced"])
        assert client.get("/v1/receipts/1:6").said["enforced"] is False
        with worker.beating(offset=7):
            assert client.get("/v1/receipts/1:6?wait=20").said["enforced"] is True


def test_metrics_tell_answers_and_how_the_gates_stand(worker):
    worker.start()
    worker.write((ANAS, None))
    with gate_of(worker) as gate, serving({"email": gate}) as (client, _):
        assert until(lambda: client.get("/v1/status").said["gates"]["email"]["phase"] == "following")
        client.check(GOOD)
        assert figures(client)['consent_sidecar_answers_total{answer="unproven"}'] == 1
        assert 'consent_gate_staleness_seconds{channel="email"}' not in figures(client)
        with worker.beating():
            assert until(lambda: client.get("/readyz").status == 200)
            client.check({"questions": [{**GOOD, "email": "bo@example.com"}] * 3})
            client.get("/ana@example.com")
            found = figures(client)
    assert found['consent_sidecar_answers_total{answer="deny"}'] == 3
    assert found['consent_sidecar_requests_total{resource="/v1/check",status="503"}'] == 1
    assert found['consent_sidecar_requests_total{resource="/v1/check",status="200"}'] == 1
    assert found['consent_sidecar_requests_total{resource="-",status="404"}'] == 1
    assert found['consent_sidecar_seconds_count{resource="/v1/check"}'] == 2
    assert found['consent_gate_ready{channel="email"}'] == 1
    assert found['consent_gate_entries{channel="email"}'] == 1
    assert found['consent_gate_alarms_total{alarm="null_value",channel="email"}'] == 1
    assert 0 <= found['consent_gate_staleness_seconds{channel="email"}'] < 10
    assert not [name for name in found if "example" in name]


def figures(client):
    lines = client.get("/metrics").body.decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}
