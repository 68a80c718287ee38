"""The preference centre of an edge in this process, on a port of its own: its door feeds gates that decide by rules.

What it publishes goes through the worker's own functions (`FakeGate`), so a page shows what the rules make of a form.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from consent_stream.domain.policy import read_policy
from consent_stream.edge.config import Config
from consent_stream.edge.edge import Edge
from consent_stream.edge.pages.routes import routes
from consent_stream.edge.tokens import Link, Links
from consent_stream.gate import Verdict
from consent_stream.http.app import build_app
from consent_stream.inspection.barrier import Barrier
from consent_stream.settings import Settings
from consent_stream.testing import FakeGate
from consent_stream.testing.fake import Refused
from consent_stream.wire.keys import Keyring
from tests.edge.doors import MemoryDoor

KEYS = Keyring({0: bytes(32)})
ANA = "ana@example.com"
DAY = 86400
CHANNELS = ("email", "sms", "sharing")
NOTICE = {
    "id": "signup", "version": 1, "sha256": "00", "effective": "2025-01-01T00:00:00Z",
    "purposes": ["marketing", "sharing"],
}  # fmt: skip
POLICY: Mapping[str, Any] = {
    "tenants": {"acme": {}, "globex": {}},
    "sources": {
        "/edge/preferences": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]},
        "/test": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]},
    },
    "notices": {"acme": [NOTICE]},
}
CONFIG: Mapping[str, Any] = {
    "preferences": {
        "acme": {
            "name": "Acme",
            "contact": "privacy@acme.example",
            "notice": {"id": "signup", "version": 1},
            "notice_text": {"en": "Acme writes to you about its offers.", "de": "Acme schreibt Ihnen über Angebote."},
            "programs": {
                "news": {"en": "News", "fr": "Nouvelles", "es": "Noticias", "de": "Neuigkeiten"},
                "news/weekly": {"en": "Weekly letter", "de": "Wochenbrief"},
                "offers": "Offers",
            },
            "sharing": {"partners": {"en": "Partners", "de": "Partner"}},
        }
    },
}


class FeedingDoor(MemoryDoor):
    """What is taken comes to the gates at once. refused: codes of what went to quarantine."""

    def __init__(self, gates: Mapping[str, FakeGate]) -> None:
        super().__init__()
        self.gates, self.refused = gates, list[str]()

    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        receipts = await super().accept(events)
        if not self.spooling:
            for each in events:
                self.feed(each)
        return receipts

    def feed(self, event: Mapping[str, Any]) -> None:
        for gate in self.gates.values():
            try:
                gate.publish(event)
            except Refused as refused:
                self.refused.append(refused.code)


class Answer:
    """An answer, and what a person sees in it."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, dict(response.getheaders()), response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def words(self) -> str:
        """The text alone, in one line."""
        return " ".join(re.sub(r"<[^>]+>", " ", self.text).split())

    def boxes(self) -> dict[str, bool]:
        """Items of the form, and whether they were shown as on."""
        return {item: on == "1" for on, item in re.findall(r'name="was" value="([01])([^"]+)"', self.text)}

    def field(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found is not None, f"no field {name}"
        return found[1]


class Site:
    """An edge with its pages. enforced: what all senders say of any receipt."""

    def __init__(self, config: Mapping[str, Any], gates: Mapping[str, FakeGate], **more: Any) -> None:
        self.gates, self.ahead, self.enforced = gates, 0, True
        self.door = FeedingDoor(gates)
        self.edge = Edge(
            Settings.read({}, environ={}), Config(config, environ={}), KEYS, read_policy(POLICY), self.door, gates,
            clock=lambda: time.time_ns() // 1000 + self.ahead, **more,
        )  # fmt: skip
        self.port = 0

    def ask_all(self, wanted: Mapping[int, int], seconds: float) -> Barrier:
        found = Barrier(())
        return found if not self.enforced else _Passed(())

    def pass_time(self, seconds: float) -> None:
        """For everybody here."""
        self.ahead += int(seconds * 1e6)
        for gate in self.gates.values():
            gate.pass_time(seconds)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, email: str = ANA, *, tenant: str = "acme", age: float = 3600, contact: str | None = None) -> str:
        """A link of that age (s), as a mailer makes it."""
        keys = [KEYS.subject(tenant, "email", email)]
        if contact is not None:
            keys.append(KEYS.subject(tenant, "contact", contact))
        issued = int(self.edge.clock() / 1e6 - age)
        return Links(KEYS).mint(Link(tenant, "email", tuple(keys), "news", "m-1@mail.example.com", issued))

    def allowed(
        self, scope: str = "news", *, email: str = ANA, tenant: str = "acme", purpose: str = "marketing"
    ) -> bool:
        """What a gate says to a mailer."""
        gate = self.gates["sharing" if purpose == "sharing" else "email"]
        verdict: Verdict = gate.check(tenant=tenant, email=email, purpose=purpose, scope=scope)
        return verdict.allow

    def say(self, type: str, **data: Any) -> None:
        """Something else says so, a while ago."""
        self.door.feed({
            "specversion": "1.0", "id": f"e-{time.time_ns()}", "source": "/test", "type": f"{type}.v1",
            "tenant": "acme", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.edge.clock() / 1e6)),
            "data": {"email": ANA, "channel": "email", "notice": {"id": "signup", "version": 1}, **data},
        })  # fmt: skip
        self.pass_time(5)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request. A page that it leads to is not asked for."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, token: str, query: str = "", **headers: str) -> Answer:
        """The page of a link."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("GET", f"/p/{token}{query}", headers=named)

    def post(self, token: str, fields: Sequence[tuple[str, str]], path: str = "", **headers: str) -> Answer:
        """A form, as a browser sends it from our page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"} | named
        return self.ask("POST", f"/p/{token}{path}", urlencode(fields).encode(), named)

    def save(self, token: str, **choices: bool) -> Answer:
        """Read the page, tick or untick, save. choices: item with `_` for `:` and `__` for `/`, to on or off."""
        page = self.get(token)
        boxes = page.boxes()
        wanted = {name.replace("__", "/").replace("_", ":", 1): on for name, on in choices.items()}
        assert wanted.keys() <= boxes.keys(), (wanted, boxes)
        fields = [("seal", page.field("seal")), ("do", "save")]
        fields += [("was", f"{int(on)}{item}") for item, on in boxes.items()]
        fields += [("want", item) for item, on in {**boxes, **wanted}.items() if on]
        return self.post(token, fields)


class _Passed(Barrier):
    @property
    def passed(self) -> bool:
        return True


@contextmanager
def site(config: Mapping[str, Any] = CONFIG, *, gates: bool = True, **more: Any) -> Iterator[Site]:
    """A site that answers while the block runs."""
    found = Site(config, {each: FakeGate(channel=each, policy=POLICY) for each in CHANNELS} if gates else {}, **more)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(build_app(found.edge, routes(found.edge, found.ask_all)), access_log=None)
        await runner.setup()
        listening = web.TCPSite(runner, "127.0.0.1", 0)
        await listening.start()
        found.port = runner.addresses[0][1]
        found.edge.base_url = found.url
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()], daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
