"""`/livez`, `/readyz`, `/metrics`: for the orchestrator and on-call."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from consent_stream.http.problems import NO_STORE, Problem
from consent_stream.http.service import Service


def routes(service: Service, figures: Callable[[], bytes]) -> Iterable[web.RouteDef]:
    """The three. figures: in Prometheus' text format 0.0.4."""

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"live": True}, headers=NO_STORE)

    async def ready(request: web.Request) -> web.Response:
        if service.closing or not service.ready():
            raise Problem("unavailable", headers={"Retry-After": "1"})
        return web.json_response({"ready": True}, headers=NO_STORE)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=figures(), content_type="text/plain", charset="utf-8", headers=NO_STORE)

    return [web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", metrics)]
