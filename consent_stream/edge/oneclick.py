"""One-click unsubscribe (RFC 8058): a POST to the link of a message ends what the message belonged to.

1. A POST with a good link is a "no", whatever its body: as form data, urlencoded, empty, without a type, cut short.
2. GET and HEAD change nothing: mail scanners follow links. They show a page with a button.
3. No cookie, no redirect, nothing to log in to. The same again gets the same answer.
4. Whatever is no link of ours gets one and the same answer.
5. 200 only when the event is proven in Kafka or on the disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from aiohttp import web

from consent_stream.edge.clients import client
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.tokens import Link, UnknownLink
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.problems import Problem

SOURCE = "/edge/one-click"
LARGEST_BODY = 16 * 1024  # of a body that is read to its end; it says `List-Unsubscribe=One-Click` or nothing
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
</head><body><main><h1>{title}</h1>{rest}</main></body></html>
"""
ASK = PAGE.format(
    title="Unsubscribe",
    rest='<form method="post"><button name="List-Unsubscribe" value="One-Click">Unsubscribe</button></form>',
)
DONE = PAGE.format(title="You are unsubscribed", rest="<p>It may take a few seconds until every sender knows.</p>")
UNKNOWN = PAGE.format(title="This link is not known", rest="<p>Please use the link of the message as it was sent.</p>")
AWAY = PAGE.format(title="Please try again", rest="<p>Your choice could not be stored just now.</p>")


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """`/u/{token}`."""

    async def look(request: web.Request) -> web.Response:
        try:
            edge.links.read(request.match_info["token"])
        except UnknownLink:
            return _page(UNKNOWN, 404)
        if request.method == "HEAD":
            edge.watch.head(request.match_info["token"], client(request, edge.proxies), edge.clock())
        return _page(ASK, 200)

    async def click(request: web.Request) -> web.Response:
        try:
            link = edge.links.read(request.match_info["token"])
        except UnknownLink:
            return _page(UNKNOWN, 404)
        rest = not await _read_off(request, edge)
        said = event(
            "unsubscribe.oneclick",
            SOURCE,
            link.tenant,
            at=edge.clock(),
            keys=[key.hex() for key in link.keys],
            channel=link.channel,
            scope=link.program,
            message_id=link.message_id or None,
            suspect=_marks(request, link, edge),
        )
        try:
            await edge.door.accept([said])
        except Unavailable as error:
            response = _page(AWAY, 503)
            response.headers["Retry-After"] = str(error.retry_after)
        else:
            response = _page(DONE, 200)
        if rest:
            response.force_close()
        return response

    return [
        web.get("/u/{token}", look, expect_handler=expect),
        web.post("/u/{token}", click, expect_handler=expect),
    ]


def _marks(request: web.Request, link: Link, edge: Edge) -> list[str] | None:
    """What makes it look like a scanner's; it is applied all the same."""
    return (
        edge.watch.marks(request.match_info["token"], link.issued, client(request, edge.proxies), edge.clock()) or None
    )


async def _read_off(request: web.Request, edge: Edge) -> bool:
    """Take the body, so that the connection can go on; whether it was taken whole. What is in it changes nothing."""
    with suppress(Problem):
        await read_within(request, edge.limits, LARGEST_BODY)
        return True
    return False


def _page(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
