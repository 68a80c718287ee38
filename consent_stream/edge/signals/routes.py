"""`POST /v1/signals`, `/.well-known/gpc.json`, and `Sec-GPC` on every page that is opened by a link.

[signals]
gpc_last_updated = "2026-11-01"     # said in /.well-known/gpc.json

[signals.origins]
acme = ["https://shop.example.com"] # whose scripts may send signals of this tenant
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from aiohttp import web

from consent_stream.domain.times import HOUR, parse_day
from consent_stream.edge import bounds
from consent_stream.edge.bounds import Bounds
from consent_stream.edge.config import ConfigError, only
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.intent.judging import judge
from consent_stream.edge.intent.keys import ApiKeys, read_keys
from consent_stream.edge.intent.reading import Flaw
from consent_stream.edge.signals.gpp import Decoded, decode
from consent_stream.edge.tokens import Link, UnknownLink
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.problems import NO_STORE, Problem

SOURCE = "/edge/signals"
HEADER = "Sec-GPC"
PER_MINUTE, BURST = 600, 100  # requests of one key, and of one link
LARGEST_BODY = 32 * 1024
MOST_VALUES, LONGEST_VALUE = 32, 256
FIELDS = ("tenant", "token", "email", "phone", "keys", "contact", "region", "headers", "gpp")
SUBJECT = ("email", "phone", "keys", "contact", "region")
NEITHER = Decoded({}, (), ())
REMEMBERED, AGAIN = 10_000, HOUR  # links whose signal was taken, and for how long (µs) it is not sent once more
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """The two, and the preflight of the first. Errors: ConfigError."""
    table = edge.config.table("signals")
    only("signals", table, ("origins", "gpc_last_updated", *bounds.ENTRIES))
    origins, statement = _origins(table), orjson.dumps(_statement(table))
    keys, often = read_keys(edge.config), Bounds("signals", table, PER_MINUTE, BURST, edge.clock)

    async def signals(request: web.Request) -> web.Response:
        body = await _body(request, edge)
        tenant, subject, who = _subject(request, body, edge, keys)
        cors = _cors(request, origins.get(tenant, frozenset()))
        try:
            often.take(who)
            return _answer(*await _take(edge, request, tenant, subject, body), cors)
        except Problem as problem:
            problem.headers.update(cors)
            raise

    async def preflight(request: web.Request) -> web.Response:
        headers = _cors(request, frozenset().union(*origins.values()))
        if len(headers) > 1:
            headers |= {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type"}
            headers["Access-Control-Max-Age"] = "600"
        return web.Response(status=204, headers=headers)

    async def gpc(request: web.Request) -> web.Response:
        return web.Response(body=statement, content_type="application/json")

    return [
        web.post("/v1/signals", signals, expect_handler=expect),
        web.options("/v1/signals", preflight, expect_handler=expect),
        web.get("/.well-known/gpc.json", gpc, expect_handler=expect),
    ]


def heeding(edge: Edge, found: Iterable[web.RouteDef]) -> list[web.RouteDef]:
    """The same routes; those with a link take the browser's `Sec-GPC` as a signal of whom the link is about.

    The page is answered whatever becomes of that: a signal that could not be taken is one again at the next page.
    """
    recent: OrderedDict[tuple[bytes, tuple[str, ...]], int] = OrderedDict()

    def wrap(handler: Any) -> Handler:
        async def heed(request: web.Request) -> web.StreamResponse:
            if HEADER in request.headers:
                with suppress(UnknownLink, Unavailable):
                    await _take_of_page(edge, recent, request)
            response: web.StreamResponse = await handler(request)
            return response

        return heed

    return [
        web.route(each.method, each.path, wrap(each.handler), **each.kwargs) if "{token}" in each.path else each
        for each in found
    ]


async def _take_of_page(
    edge: Edge, recent: OrderedDict[tuple[bytes, tuple[str, ...]], int], request: web.Request
) -> None:
    link = edge.links.read(request.match_info["token"])
    values = tuple(value[:LONGEST_VALUE] for value in request.headers.getall(HEADER)[:MOST_VALUES])
    known, now = (link.keys[0], values), edge.clock()
    if now - recent.get(known, -AGAIN) < AGAIN:
        return
    await edge.door.accept([_signal(edge, "signal.gpc", link.tenant, _of_link(link), headers=list(values))])
    recent[known] = now
    while len(recent) > REMEMBERED:
        recent.popitem(last=False)


def _signal(edge: Edge, type: str, tenant: str, subject: Mapping[str, Any], **data: Any) -> dict[str, Any]:
    return event(type, SOURCE, tenant, at=edge.clock(), **subject, **data)


def _of_link(link: Link) -> dict[str, Any]:
    return {"keys": [key.hex() for key in link.keys], "channel": link.channel}


async def _body(request: web.Request, edge: Edge) -> dict[str, Any]:
    if request.content_type != "application/json" or request.headers.get("Content-Encoding"):
        raise Problem("not-json-typed")  # also so that a page of another origin cannot send without asking first
    try:
        found = orjson.loads(await read_within(request, edge.limits, LARGEST_BODY))
    except orjson.JSONDecodeError as error:
        raise Problem("not-json", f"line {error.lineno}, column {error.colno}") from None
    if not isinstance(found, dict):
        raise Problem("bad-signal", "an object is expected", field="")
    for name in found:
        if name not in FIELDS:
            raise Problem("bad-signal", f"no such field; there are {', '.join(FIELDS)}", field="/-")
    return found


def _subject(
    request: web.Request, body: Mapping[str, Any], edge: Edge, keys: ApiKeys
) -> tuple[str, dict[str, Any], str]:
    """Tenant, whom it is about, and who sends it: a link speaks for its person, an API key for its tenants' people."""
    token = body.get("token")
    if token is not None:
        for name in SUBJECT:
            if name in body:
                raise Problem("bad-signal", "the link says whom it is about", field=f"/{name}")
        try:
            link = edge.links.read(token if isinstance(token, str) else "")
        except UnknownLink:
            raise Problem(
                "no-token", "no link of ours", field="/token", headers={"WWW-Authenticate": "Bearer"}
            ) from None
        if body.get("tenant", link.tenant) != link.tenant:
            raise Problem("bad-signal", "the link is of another tenant", field="/tenant")
        return link.tenant, _of_link(link), "link " + link.keys[0].hex()
    key = keys.need(request.headers.get("Authorization", ""))
    tenant = body.get("tenant", key.only_tenant)
    if not isinstance(tenant, str) or not key.may(tenant):
        raise Problem("bad-signal", "a tenant that this key speaks for is needed", field="/tenant")
    return tenant, {name: body[name] for name in SUBJECT if name in body}, key.name


async def _take(
    edge: Edge, request: web.Request, tenant: str, subject: Mapping[str, Any], body: Mapping[str, Any]
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """Send what can be read. Errors: Problem `bad-signal`, which tells what was taken all the same; `unavailable`."""
    values, gpp = _values(request, body), body.get("gpp")
    if not values and gpp is None:
        raise Problem("bad-signal", "headers (of Sec-GPC) or gpp is needed", field="/headers")
    decoded = (
        decode(gpp) if isinstance(gpp, str) else NEITHER if gpp is None else Decoded({}, (), ("a text is expected",))
    )
    events = [_signal(edge, "signal.gpc", tenant, subject, headers=values)] if values else []
    if decoded.sections:
        events.append(_signal(edge, "signal.gpp", tenant, subject, sections=decoded.sections))
    for each in events:
        try:
            judge(each, edge.clock(), edge.policy)
        except Flaw as flaw:
            raise Problem("bad-signal", flaw.detail, field=flaw.pointer.removeprefix("/data") or "/email") from None
    try:
        receipts = await edge.door.accept(events) if events else ()
    except Unavailable as error:
        raise Problem("unavailable", headers={"Retry-After": str(error.retry_after)}) from None
    taken = [
        {"id": each["id"], "type": each["type"], "receipt": receipt}
        for each, receipt in zip(events, receipts, strict=True)
    ]
    if decoded.faults:
        raise Problem("bad-signal", "; ".join(decoded.faults), field="/gpp", taken=taken)
    return taken, decoded.unread


def _values(request: web.Request, body: Mapping[str, Any]) -> list[str]:
    """The values of `Sec-GPC` as they came: with this request, or to the site that passes them on."""
    told = body.get("headers", [])
    told = told if isinstance(told, list) else [told]
    if len(told) > MOST_VALUES or not all(isinstance(each, str) and len(each) <= LONGEST_VALUE for each in told):
        raise Problem("bad-signal", "a list of the values of Sec-GPC is expected, as texts", field="/headers")
    return [*told, *(value[:LONGEST_VALUE] for value in request.headers.getall(HEADER, [])[:MOST_VALUES])]


def _answer(taken: list[dict[str, str]], unread: tuple[str, ...], cors: Mapping[str, str]) -> web.Response:
    said = {"events": taken, "unread": unread}
    headers = {**NO_STORE, **cors}
    return web.Response(body=orjson.dumps(said), status=202, content_type="application/json", headers=headers)


def _cors(request: web.Request, allowed: frozenset[str]) -> dict[str, str]:
    """Without credentials: nothing here rests on cookies."""
    origin = request.headers.get("Origin", "")
    return {"Vary": "Origin", **({"Access-Control-Allow-Origin": origin} if origin in allowed else {})}


def _origins(table: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    found = table.get("origins", {})
    if not isinstance(found, dict):
        raise ConfigError("signals.origins: a table is expected, a list of origins by tenant")
    for tenant, origins in found.items():
        if not isinstance(origins, list) or not all(
            isinstance(each, str) and _ORIGIN.fullmatch(each) for each in origins
        ):
            raise ConfigError(f"signals.origins.{tenant}: a list of origins like https://shop.example.com is expected")
    return {tenant: frozenset(origins) for tenant, origins in found.items()}


_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)


def _statement(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a site says of itself (W3C Global Privacy Control §4.2)."""
    day = table.get("gpc_last_updated")
    if day is None:
        return {"gpc": True}
    text = day.isoformat() if hasattr(day, "isoformat") else day  # TOML has dates of its own
    if not isinstance(text, str) or parse_day(text) is None:
        raise ConfigError("signals.gpc_last_updated: a day like 2026-11-01 is expected")
    return {"gpc": True, "lastUpdate": text}
