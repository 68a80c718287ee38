"""An edge in a thread of the test, before a door in memory; every answer is held against its OpenAPI document."""

import http.client
import json
import re
import tomllib
from contextlib import contextmanager
from importlib.resources import files

from jsonschema import Draft202012Validator

from consent_stream.domain.policy import read_policy
from consent_stream.edge.app import routes
from consent_stream.edge.config import Config
from consent_stream.edge.edge import Edge
from consent_stream.settings import Settings
from tests.edge.doors import MemoryDoor
from tests.faults.deployment import KEYS
from tests.servers import on_a_thread

SOON = 20.0  # seconds that nothing here should need
KEY = "a-key-of-the-tests-1"
WIDE = "a-key-of-the-tests-2"
DOCUMENT = json.loads((files("consent_stream.edge") / "openapi.json").read_text())
POLICY = read_policy(tomllib.loads((files("consent_stream.dev") / "policy.toml").read_text()))
CONFIG = {
    "intent": {
        "keys": {
            "form": {"key_env": "FORM", "source": "/forms/signup", "tenants": ["acme"]},
            "crm": {"key_env": "CRM", "source": "/callcentre", "tenants": ["*"]},
        }
    },
    "signals": {"gpc_last_updated": "2026-11-01", "origins": {"acme": ["https://shop.example.com"]}},
}
seen: set[tuple[str, str, int]] = set()  # (method, path, status) of all answers so far


def config(**tables):
    return Config({**CONFIG, **tables}, {"FORM": KEY, "CRM": WIDE})


class Answer:
    """Status, headers, the raw body, and what it says."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, dict(response.getheaders()), response.read()
        self.type = response.headers.get_content_type() if self.body else None

    @property
    def said(self):
        return json.loads(self.body)


class Client:
    """Python's own HTTP client."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            connection.putrequest(method, path)
            for name, value in dict(headers).items():
                for each in value if isinstance(value, list) else [value]:
                    connection.putheader(name, each)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        check(method, path.partition("?")[0], answer)
        return answer

    def post(self, path, said, *, key=KEY, type="application/json", **headers):
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        credentials = {"Authorization": f"Bearer {key}"} if key else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {"Content-Type": type, **credentials, **named})

    def events(self, said, type="application/cloudevents+json", path="/v1/events", **more):
        return self.post(path, said, type=type, **more)

    def signal(self, said, **more):
        return self.post("/v1/signals", said, **more)


@contextmanager
def serving(gates=None, settings=None, **over):
    """A client of an edge, and the edge."""
    edge = Edge(
        settings=Settings.read({}, environ={}),
        config=settings or config(),
        keys=KEYS,
        policy=POLICY,
        door=MemoryDoor(),
        gates=gates or {},
        **over,
    )
    with on_a_thread(edge, routes(edge)) as port:
        yield Client(port), edge


def resolved(schema):
    return {**schema, "components": DOCUMENT["components"]}


def check(method, path, answer):
    """Fail unless the answer is one that the document describes."""
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return
    responses = operation["responses"]
    assert str(answer.status) in responses, f"{method} {path} answers {answer.status}"
    response = responses[str(answer.status)]
    if "content" in response:
        schema = response["content"][answer.type]["schema"]
        found = Draft202012Validator(resolved(schema)).iter_errors(answer.said)
        assert [error.message for error in found] == []
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers or not header.get("required")
    assert not re.search(r"@example|\+1201555", answer.body.decode()) or path == "/v1/openapi.json"
    seen.add((method, path, answer.status))


def event(type="consent.granted.v1", ident="e1", **data):
    """What a form sends when somebody signs up, with parts of it replaced."""
    about = {
        "email": "ana@example.com",
        "channel": "email",
        "scope": "news",
        "evidence": "E3",
        "notice": {"id": "signup", "version": 1},
    }
    return {
        "specversion": "1.0",
        "id": ident,
        "type": type,
        "time": "2026-03-01T10:00:00Z",
        "tenant": "acme",
        "data": {name: value for name, value in {**about, **data}.items() if value is not None},
    }
