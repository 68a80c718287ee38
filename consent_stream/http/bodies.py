"""Bodies of requests, within the bounds of a server."""

from __future__ import annotations

import asyncio

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from consent_stream.http.limits import Limits
from consent_stream.http.problems import Problem


async def read_within(request: web.Request, limits: Limits, most: int | None = None) -> bytes:
    """The whole body, of at most `most` bytes (the server's own bound by default).

    Errors: Problem `too-large`, `too-slow`, `not-http` when it is broken off.
    """
    most = limits.body if most is None else most
    if (request.content_length or 0) > most:  # before any of it is read
        raise Problem("too-large", f"at most {most} bytes")
    try:
        async with asyncio.timeout(limits.body_seconds):
            body = await request.read()
    except TimeoutError:
        raise Problem("too-slow", f"not within {limits.body_seconds:g} s") from None
    except (web.RequestPayloadError, HttpProcessingError):  # a broken chunk, or the client has gone
        raise Problem("not-http", "the body is broken") from None
    if len(body) > most:  # it came in chunks and did not say
        raise Problem("too-large", f"at most {most} bytes")
    return body


async def expect(request: web.Request) -> None:
    """Ask for the body of who waits with it (`Expect: 100-continue`), unless it is too large: that one is told at once.

    Other expectations are ignored, as RFC 9110 §10.1.1 permits.
    """
    wanted = request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"
    if wanted and (request.content_length or 0) <= request.client_max_size:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp's own handler: nothing of the answer itself is out yet
