"""A server: bound before anything else is begun, ended in order."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

from aiohttp import web

from consent_stream.http.app import Check, anyone, build_app
from consent_stream.http.connections import Connections
from consent_stream.http.service import Service

BACKLOG = 128
LINGER_S = 1.0  # for the rest of a body that was refused
FINISH_S = 15.0  # for answers under way when it ends: longer than a body may take
SETTLE_S = 0.05  # for what is accepted and not yet read when the door closes
CLOSE_S = 1.0  # for connections that have no answer under way
GLANCE = 0.1
Say = Callable[[str], None]


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Errors: OSError when the host is none, or the port is taken."""
    (family, _, _, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def on_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ip_address(bound.getsockname()[0]).is_loopback


def place(bound: socket.socket) -> str:
    """HOST:PORT of a socket, as a URL has it."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def served(
    service: Service, bound: socket.socket, routes: Iterable[web.RouteDef], check: Check = anyone
) -> AsyncIterator[None]:
    """Requests are answered while the block runs. Its end waits for the answers under way, at most `FINISH_S`."""
    runner = web.AppRunner(
        build_app(service, routes, check),
        access_log=None,  # it would log paths and queries
        logger=_silent(),  # it would log what it could not parse
        auto_decompress=False,
        keepalive_timeout=service.limits.idle_seconds,
        lingering_time=LINGER_S,
        shutdown_timeout=CLOSE_S,
    )
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connections(runner.server, service.limits), sock=bound, backlog=BACKLOG)
    try:
        yield
    finally:
        service.closing = service.ending = True
        server.close()
        await _finished(service)
        await runner.cleanup()


async def serve(
    service: Service,
    bound: socket.socket,
    routes: Iterable[web.RouteDef],
    check: Check = anyone,
    *,
    drain: float,
    say: Say,
) -> None:
    """Serve until SIGTERM or SIGINT; return when the last answer is given.

    drain: seconds in which `/readyz` already says 503 and requests are still answered; a second signal ends them.
    say: is told `serving HOST:PORT`, then `ready` once `service` is.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told_to_end() -> None:
        (hurry if stop.is_set() else stop).set()

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told_to_end)
    async with served(service, bound, routes, check):
        say(f"serving {place(bound)}")
        news = asyncio.create_task(_tell_when_ready(service, say))
        await stop.wait()
        news.cancel()
        service.closing = True
        await _first(hurry, drain)


async def _finished(service: Service) -> None:
    """Until nothing is under way. Before `runner.cleanup`, for that one throws away what is still to come of a body
    (aiohttp's `RequestHandler.close`), and waits for connections on which nothing has begun."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + FINISH_S
    await asyncio.sleep(SETTLE_S)
    while service.under_way and loop.time() < deadline:
        await asyncio.sleep(SETTLE_S)


async def _tell_when_ready(service: Service, say: Say) -> None:
    while not service.ready():
        await asyncio.sleep(GLANCE)
    say("ready")


async def _first(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _silent() -> logging.Logger:
    logger = logging.Logger("consent_stream.silent")  # not of the tree: nothing can switch it on
    logger.addHandler(logging.NullHandler())
    return logger
