"""The handlers. Another module adds its own by the list that `build_app` takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import orjson
from aiohttp import web

from consent_stream.gate import Verdict
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.limits import Places
from consent_stream.http.problems import NO_STORE, Problem
from consent_stream.http.service import Service
from consent_stream.inspection.barrier import Barrier, members
from consent_stream.inspection.gatereports import NoSuchEvent
from consent_stream.inspection.topicread import Unread
from consent_stream.sidecar.answers import status_members, unanswered, verdict_members
from consent_stream.sidecar.gates import Gates
from consent_stream.sidecar.limits import Limits
from consent_stream.sidecar.metrics import Metrics
from consent_stream.sidecar.questions import read_body

SOON = {"Retry-After": "1"}
GLANCE = 0.05  # seconds between two looks for a receipt
RECEIPT = re.compile(r"(\d{1,6}):(\d{1,18})", re.ASCII)
YES, NO = ("1", "true"), ("0", "false")


# (partition, offset), settled → the gates of all mailers; it blocks. Errors: NoSuchEvent, Unread.
Everywhere = Callable[[tuple[int, int], bool], Barrier]


@dataclass
class Sidecar(Service):
    """What the handlers share. everywhere: how it stands at all gates there are, of every host; None where nobody can
    be asked.
    """

    gates: Gates
    limits: Limits = field(default_factory=Limits)
    everywhere: Everywhere | None = None

    name = "sidecar"

    def __post_init__(self) -> None:
        self.checks = Places(self.limits.concurrency)
        self.waits = Places(self.limits.concurrency)
        self.metrics = Metrics(self.gates)
        self.description = (files("consent_stream.sidecar") / "openapi.json").read_bytes()

    def routes(self) -> list[web.RouteDef]:
        """Every route of this module."""
        return [
            web.post("/v1/check", self.check, expect_handler=expect),
            web.get("/v1/status", self.status, expect_handler=expect),
            web.get("/v1/receipts/{receipt}", self.receipt, expect_handler=expect),
            web.get("/v1/barrier/{receipt}", self.barrier, expect_handler=expect),
            web.get("/v1/openapi.json", self.openapi, expect_handler=expect),
            web.get("/metrics", self.prometheus, expect_handler=expect),
            web.get("/readyz", self.readyz, expect_handler=expect),
            web.get("/livez", self.livez, expect_handler=expect),
        ]

    def ready(self) -> bool:
        """Whether every gate gives answers."""
        return not self.gates.troubles()

    def answered(self, resource: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.metrics.request(resource, status, seconds)

    async def check(self, request: web.Request) -> web.Response:
        """`POST /v1/check`. 503 when any of the answers is a denial for want of proof."""
        with self.checks.one():
            body = await self._body(request)
            asked = read_body(body, self.gates.channels, self.limits.batch)
            if isinstance(asked, tuple):
                verdict = self.gates.ask(asked)
                return self._answer(verdict_members(verdict), [verdict])
            found = await self.gates.ask_all(asked)
            return self._answer(
                {"answers": [_member(each) for each in found]}, [each for each in found if isinstance(each, Verdict)]
            )

    async def status(self, request: web.Request) -> web.Response:
        """`GET /v1/status`."""
        gates = {channel: status_members(gate) for channel, gate in self.gates.by_channel.items()}
        ready = not self.closing and all(each["ready"] for each in gates.values())
        return reply({"ready": ready, "closing": self.closing, "gates": gates})

    async def receipt(self, request: web.Request) -> web.Response:
        """`GET /v1/receipts/PARTITION:OFFSET`: whether the gates here enforce that event; with `wait` once they do."""
        place, channels, contact, wait = self._receipt(request)
        with self.waits.one():
            loop = asyncio.get_running_loop()
            deadline = loop.time() + wait
            while True:
                # A glance each time and no thread: waits then cost neither places in a pool nor time at the end.
                gates = {each: self.gates.by_channel[each].wait_for(place, 0, contact=contact) for each in channels}
                if all(gates.values()) or self.closing or loop.time() >= deadline:
                    break
                await asyncio.sleep(GLANCE)
        return reply({"receipt": f"{place[0]}:{place[1]}", "enforced": all(gates.values()), "gates": gates})

    async def barrier(self, request: web.Request) -> web.Response:
        """`GET /v1/barrier/PARTITION:OFFSET`: at how many gates, of every host, that event is enforced."""
        if not set(request.query) <= {"contact"}:
            raise Problem("bad-receipt", "contact may be given, once")
        place, _, contact, _ = self._receipt(request)
        if self.everywhere is None:
            raise Problem("no-kafka", "this sidecar reads stores and has no Kafka to ask", headers=SOON)
        with self.waits.one():
            try:
                found = await asyncio.to_thread(self.everywhere, place, not contact)
            except NoSuchEvent:
                raise Problem("bad-receipt", "there is no such event", field="receipt") from None
            except Unread as error:
                raise Problem("no-kafka", str(error), headers=SOON) from error
        return reply({"receipt": f"{place[0]}:{place[1]}", **members(found)})

    async def openapi(self, request: web.Request) -> web.Response:
        """`GET /v1/openapi.json`."""
        return web.Response(body=self.description, content_type="application/json")

    async def prometheus(self, request: web.Request) -> web.Response:
        """`GET /metrics`."""
        return web.Response(body=self.metrics.text(), content_type="text/plain", charset="utf-8", headers=NO_STORE)

    async def readyz(self, request: web.Request) -> web.Response:
        """`GET /readyz`: 200 exactly when every gate gives answers and none of it is about to end."""
        troubles = self.gates.troubles()
        if self.closing:
            raise Problem("not-ready", "the sidecar is ending", headers=SOON, gates=troubles)
        if troubles:
            raise Problem("not-ready", headers=SOON, gates=troubles)
        return reply({"ready": True})

    async def livez(self, request: web.Request) -> web.Response:
        """`GET /livez`: 200 while the process answers."""
        return reply({"live": True})

    def _answer(self, members: Mapping[str, Any], verdicts: Sequence[Verdict]) -> web.Response:
        """200, or 503 when one of the verdicts is none for want of proof."""
        self.metrics.answered(verdicts)
        return reply(members, 503 if any(map(unanswered, verdicts)) else 200)

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != "application/json" or request.headers.get("Content-Encoding"):
            raise Problem("not-json-typed")
        return await read_within(request, self.limits)

    def _receipt(self, request: web.Request) -> tuple[tuple[int, int], tuple[str, ...], bool, float]:
        query = request.query
        for name in query:
            if name not in ("channel", "contact", "wait") or len(query.getall(name)) > 1:
                raise Problem("bad-receipt", "channel, contact and wait may be given, once each")
        found = RECEIPT.fullmatch(request.match_info["receipt"])
        if found is None:
            raise Problem("bad-receipt", "PARTITION:OFFSET is expected", field="receipt")
        channel, contact, wait = query.get("channel"), query.get("contact", "false"), query.get("wait", "0")
        if channel is not None and channel not in self.gates.channels:
            raise Problem("bad-receipt", f"of {', '.join(self.gates.channels)}", field="channel")
        if contact not in YES + NO:
            raise Problem("bad-receipt", "true or false is expected", field="contact")
        if not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", wait, re.ASCII) or float(wait) > self.limits.wait_seconds:
            raise Problem("bad-receipt", f"0 to {self.limits.wait_seconds:g} seconds", field="wait")
        channels = self.gates.channels if channel is None else (channel,)
        return (int(found[1]), int(found[2])), channels, contact in YES, float(wait)


def reply(members: Mapping[str, Any], status: int = 200) -> web.Response:
    """A JSON answer that no cache keeps."""
    headers = NO_STORE if status == 200 else {**NO_STORE, **SOON}
    return web.Response(body=orjson.dumps(members), status=status, content_type="application/json", headers=headers)


def _member(found: Verdict | Problem) -> dict[str, Any]:
    """One member of the answers to a batch. A malformed question is a denial too, for who looks at nothing else."""
    return {"allow": False, "error": found.members()} if isinstance(found, Problem) else verdict_members(found)
