"""Answers against the OpenAPI document: every one must be of a kind that is described there."""

import json
import re
from functools import cache
from importlib.resources import files

from jsonschema import Draft202012Validator

DOCUMENT = json.loads((files("consent_stream.sidecar") / "openapi.json").read_text())
BY_PATH = {
    re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): (path, methods) for path, methods in DOCUMENT["paths"].items()
}
seen: set[tuple[str, str, int]] = set()  # (method, path, status) of all answers so far


def resolved(node):
    """A node, or what it refers to."""
    if "$ref" not in node:
        return node
    found = DOCUMENT
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


@cache
def _validator(schema):
    return Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})


def valid(schema, instance):
    """Whether a value is of a schema of the document."""
    return _validator(json.dumps(schema)).is_valid(instance)


def documented():
    """Every (method, path, status) that is described."""
    return {
        (method.upper(), path, int(status))
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
    }


def check(method, target, answer):
    """Fail unless the answer is described. What is no path or no method of ours is a problem all the same."""
    path = target.partition("?")[0]
    for pattern, (name, methods) in BY_PATH.items():
        if pattern.fullmatch(path) and method.lower() in methods:
            responses = methods[method.lower()]["responses"]
            assert str(answer.status) in responses, f"{method} {name} answers {answer.status}"
            _of_response(resolved(responses[str(answer.status)]), answer)
            seen.add((method, name, answer.status))
            return
    assert answer.status in (401, 404, 405, 421)
    assert answer.type == "application/problem+json"
    assert valid({"$ref": "#/components/schemas/Problem"}, answer.said)


def _of_response(response, answer):
    assert answer.type in response["content"]
    schema = response["content"][answer.type]["schema"]
    said = answer.body.decode() if answer.type == "text/plain" else answer.said
    errors = [error.message for error in _validator(json.dumps(schema)).iter_errors(said)]
    assert errors == []
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers or not header.get("required")
    if answer.type == "application/problem+json":
        assert answer.said["status"] == answer.status
