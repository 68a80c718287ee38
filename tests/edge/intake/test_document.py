"""The OpenAPI document: sound, the one that is served, and of every route there is. `site.check` holds each answer of
this room's tests against it."""

from openapi_spec_validator import validate

from consent_stream.edge import intent, signals
from tests.edge.intake.site import DOCUMENT, event, resolved, serving
from tests.sidecar.documented import Draft202012Validator


def test_the_document_is_sound():
    validate(DOCUMENT)


def test_the_document_that_is_served_is_the_one_in_the_package(client):
    assert client.ask("GET", "/v1/openapi.json").said == DOCUMENT


def test_the_document_names_every_route_and_no_other():
    with serving() as (_, edge):
        routes = {(each.method, each.path) for room in (intent, signals) for each in room.routes(edge)}
    named = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert routes == named


def test_its_examples_are_taken(client, taken):
    content = DOCUMENT["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    for kind, about in content.items():
        for example in about.get("examples", {}).values():
            assert Draft202012Validator(resolved(about["schema"])).is_valid(example["value"])
            assert client.events(example["value"], kind).status == 202


def test_an_answer_that_is_not_described_would_be_seen():
    schema = DOCUMENT["paths"]["/v1/events"]["post"]["responses"]["202"]["content"]["application/json"]["schema"]
    for said in ({"id": "e"}, {"id": "e", "receipt": "1:2", "more": 1}, {"id": "e", "receipt": "soon"}, event()):
        assert not Draft202012Validator(resolved(schema)).is_valid(said)
