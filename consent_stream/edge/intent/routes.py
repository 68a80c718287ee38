"""`POST /v1/events`, `/v1/standing`, `/v1/openapi.json`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import orjson
from aiohttp import web

from consent_stream.edge import bounds
from consent_stream.edge.bounds import Bounds
from consent_stream.edge.config import only
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.intent import reading, standing
from consent_stream.edge.intent.judging import judge
from consent_stream.edge.intent.keys import ApiKey, read_keys
from consent_stream.edge.intent.reading import Event, Flaw
from consent_stream.edge.tokens import UnknownLink
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.problems import NO_STORE, Problem

PER_MINUTE, BURST = 6000, 1000  # requests of one key, and of one link
FLAGS = ("", "0", "1")


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """The three. Errors: ConfigError."""
    table = edge.config.table("intent")
    only("intent", table, ("keys", *bounds.ENTRIES))
    keys, often = read_keys(edge.config), Bounds("intent", table, PER_MINUTE, BURST, edge.clock)
    description = (files("consent_stream.edge") / "openapi.json").read_bytes()

    async def events(request: web.Request) -> web.Response:
        key = keys.need(request.headers.get("Authorization", ""))
        often.take(key.name)
        partial = _partial(request)
        body = await _body(request, edge)
        found = reading.read_events(request.content_type if body or request.content_type else "", request.headers, body)
        single = not reading.is_batch(request.content_type, request.headers, body.lstrip())
        return await _take(edge, key, found, single, partial)

    async def ask(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        key = keys.find(authorization)
        body = await _body(request, edge) if request.method == "POST" else b""
        asked = standing.read_body(body) if request.method == "POST" else standing.read_query(request.query)
        token = asked.pop("token", None) or (authorization.partition(" ")[2].strip() if key is None else None)
        if key is not None and token is None:
            often.take(key.name)
            return standing.answer(edge.gates, standing.of_key(key, asked), asked)
        try:
            link = edge.links.read(token or "")
        except UnknownLink:
            raise Problem("no-token", "an API key, or the token of a link", headers=CHALLENGE) from None
        often.take("link " + link.keys[0].hex())
        return standing.answer(edge.gates, standing.of_link(link, asked), asked)

    async def openapi(request: web.Request) -> web.Response:
        return web.Response(body=description, content_type="application/json")

    return [
        web.post("/v1/events", events, expect_handler=expect),
        web.get("/v1/standing", ask, expect_handler=expect),
        web.post("/v1/standing", ask, expect_handler=expect),
        web.get("/v1/openapi.json", openapi, expect_handler=expect),
    ]


CHALLENGE = {"WWW-Authenticate": "Bearer"}


async def _body(request: web.Request, edge: Edge) -> bytes:
    if request.headers.get("Content-Encoding"):
        raise Problem("wrong-type", "without Content-Encoding")
    return await read_within(request, edge.limits)


def _partial(request: web.Request) -> bool:
    value = request.query.get("partial", "")
    if not set(request.query) <= {"partial"} or value not in FLAGS:
        raise Problem("bad-event", "partial=1 may be given, and nothing else", field="partial")
    return value == "1"


async def _take(edge: Edge, key: ApiKey, found: list[Any], single: bool, partial: bool) -> web.Response:
    """Judge all, then take all; with `partial` those that can be. A receipt is given when it is proven, not before."""
    good: list[Event] = []
    taken: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for index, each in enumerate(found):
        place = {} if single else {"index": index}
        try:
            filled = reading.fill_in(each, key)
            reading.written(filled)
            flaw = judge(filled, edge.clock(), edge.policy)
        except Flaw as wrong:
            errors.append({**place, **_named(each), **_told(wrong)})
            continue
        good.append(filled)
        taken.append({**place, "id": filled["id"], **({"refused": _told(flaw)} if flaw else {})})
    if errors and not (partial and good):
        field = errors[0]["pointer"] if single else f"/{errors[0]['index']}{errors[0]['pointer']}"
        raise Problem("bad-event", errors[0]["detail"], field=field, errors=errors)
    try:
        receipts = await edge.door.accept(good)
    except Unavailable as error:
        raise Problem("unavailable", headers={"Retry-After": str(error.retry_after)}) from None
    for told, receipt in zip(taken, receipts, strict=True):
        told["receipt"] = receipt
    said = taken[0] if single else {"events": taken, **({"errors": errors} if errors else {})}
    return web.Response(body=orjson.dumps(said), status=202, content_type="application/json", headers=NO_STORE)


def _told(flaw: Flaw) -> dict[str, str]:
    return {"code": flaw.code, "pointer": flaw.pointer, "detail": flaw.detail}


def _named(event: Any) -> dict[str, str]:
    ident = reading.shown(event.get("id")) if isinstance(event, dict) else None
    return {} if ident is None else {"id": ident}
