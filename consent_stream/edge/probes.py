"""`/livez`, `/readyz`, `/metrics`: for the orchestrator and on-call."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from consent_stream.edge.edge import Edge
from consent_stream.http.problems import NO_STORE, Problem


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """The three."""

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"live": True}, headers=NO_STORE)

    async def ready(request: web.Request) -> web.Response:
        if edge.closing or not edge.ready():
            raise Problem("unavailable", headers={"Retry-After": "1"})
        return web.json_response({"ready": True}, headers=NO_STORE)

    async def figures(request: web.Request) -> web.Response:
        return web.Response(body=edge.metrics.text(), content_type="text/plain", charset="utf-8", headers=NO_STORE)

    return [web.get("/livez", live), web.get("/readyz", ready), web.get("/metrics", figures)]
