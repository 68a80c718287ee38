"""The OpenAPI document: sound, the one that is served, and true in every answer that it describes."""

import socket

from openapi_spec_validator import validate

from consent_stream.gate.verdict import Verdict
from consent_stream.http.problems import PROBLEMS
from consent_stream.inspection.barrier import Reports, events_lag
from consent_stream.sidecar.access import Access
from consent_stream.sidecar.limits import Limits
from tests.gate.made import ANA
from tests.inspection.test_barrier import NOON, report
from tests.sidecar import documented
from tests.sidecar.served import JSON, serving, until

GOOD = {"tenant": "acme", "email": ANA, "scope": "news"}
GETS = ("/v1/status", "/v1/receipts/1:1", "/v1/barrier/1:1", "/v1/openapi.json", "/metrics", "/readyz", "/livez")


def test_the_document_is_sound():
    validate(documented.DOCUMENT)


def test_the_document_that_is_served_is_the_one_in_the_package(client):
    assert client.get("/v1/openapi.json").said == documented.DOCUMENT


def test_the_document_names_every_route_and_no_other(served):
    _, sidecar = served
    routes = {(route.method, route.path) for route in sidecar.routes()}
    assert routes == {(method, path) for method, path, _ in documented.documented()}


def test_its_examples_are_questions_that_are_answered(client):
    content = documented.DOCUMENT["paths"]["/v1/check"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert documented.valid(content["schema"], example["value"])
        assert client.check(example["value"]).status == 200


def test_every_problem_has_a_status_that_is_described():
    described = {status for _, _, status in documented.documented()}
    assert {status for status, _ in PROBLEMS.values()} - described == {404, 405}  # which no path has


def test_every_answer_that_is_described_can_be_had(gates):
    """`Client.ask` compares each with its description."""
    documented.seen.clear()
    with serving(gates, Limits(concurrency=1, body_seconds=0.2, body=4096), everywhere=_everywhere) as (
        client,
        sidecar,
    ):
        client.check(GOOD)
        client.check({"questions": [GOOD]})
        client.check(b"{")
        client.ask("POST", "/v1/check", b"{}", {"Content-Type": "text/plain"})
        client.check(GOOD, Host="gate.example.com")
        client.get("/v1/receipts/x")
        client.get("/v1/barrier/x")
        for path in GETS:
            client.get(path)
            client.get(path, Host="gate.example.com")
        client.check(b" " * 5000)
        client.close()
        _trickle(client)
        client.close()
        _while_busy(client, sidecar)
        sidecar.closing = True
        client.get("/readyz")
    with serving(gates, access=Access(b"a-token-of-the-tests")) as (client, _):
        client.check(GOOD)
        for path in GETS[:5]:
            client.get(path)
    with serving({"email": _Unready()}) as (client, _):
        client.check(GOOD)
        client.get("/v1/barrier/1:1")  # of a sidecar that has no Kafka to ask
    with serving({"email": None}, everywhere=lambda: None) as (client, _):  # nothing that could be asked
        client.check(GOOD)
        for path in GETS:
            client.get(path)
    assert documented.documented() - documented.seen == set()


def _trickle(client):
    client.connection.putrequest("POST", "/v1/check")
    for name, value in {**JSON, "Content-Length": "10"}.items():
        client.connection.putheader(name, value)
    client.connection.endheaders(b"{")
    assert client.answer("POST", "/v1/check").status == 408


def _while_busy(client, sidecar):
    with socket.create_connection(("127.0.0.1", client.port)) as waiting:
        waiting.sendall(b"GET /v1/receipts/0:100000?wait=9 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert until(lambda: sidecar.waits.taken == 1)
        assert client.get("/v1/receipts/1:1").status == 429
        assert client.get("/v1/barrier/1:1").status == 429
    with sidecar.checks.one():
        assert client.check(GOOD).status == 429


def _everywhere(place, settled):
    reports = Reports(events_lag(dict([place]), settled=settled, generation=0))
    reports.hear([report("g1"), report("g2", applied=1)])
    return reports.barrier(NOON)


class _Unready:
    def check_many(self, questions):
        return [Verdict(False, ("not_ready",), (), 0, None, None, 0) for _ in questions]
