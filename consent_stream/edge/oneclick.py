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

from consent_stream.edge.button import page
from consent_stream.edge.clients import client
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.tokens import Link, UnknownLink
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.problems import Problem

SOURCE = "/edge/one-click"
LARGEST_BODY = 16 * 1024  # of a body that is read to its end; it says `List-Unsubscribe=One-Click` or nothing


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """`/u/{token}`."""

    async def look(request: web.Request) -> web.Response:
        try:
            edge.links.read(request.match_info["token"])
        except UnknownLink:
            return page(request, "unknown", 404)
        if request.method == "HEAD":
            edge.watch.head(request.match_info["token"], client(request, edge.proxies), edge.clock())
        return page(request, "ask", 200)

    async def click(request: web.Request) -> web.Response:
        try:
            link = edge.links.read(request.match_info["token"])
        except UnknownLink:
            return page(request, "unknown", 404)
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
            response = page(request, "away", 503)
            response.headers["Retry-After"] = str(error.retry_after)
        else:
            response = page(request, "done", 200, request.match_info["token"])
        # Last: what was wanted is clear, whenever the body comes, and if it never does.
        if not await _read_off(request, edge):
            response.force_close()
        return response

    return [
        web.get("/u/{token}", look, expect_handler=expect),
        web.post("/u/{token}", click, expect_handler=expect),
    ]


def _marks(request: web.Request, link: Link, edge: Edge) -> list[str] | None:
    """What makes it look like a scanner's; it is applied all the same."""
    token, remote = request.match_info["token"], client(request, edge.proxies)
    return edge.watch.marks(token, link.issued, remote, edge.clock()) or None


async def _read_off(request: web.Request, edge: Edge) -> bool:
    """Take the body, so that the connection can go on; whether it was taken whole. What is in it changes nothing."""
    with suppress(Problem, ConnectionError, web.HTTPRequestEntityTooLarge):
        await read_within(request, edge.limits, LARGEST_BODY)
        return True
    return False
