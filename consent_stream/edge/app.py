"""The rooms of an edge, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from consent_stream.edge import intent, oneclick, pages, probes, providers, signals
from consent_stream.edge.edge import Edge

Room = Callable[[Edge], Iterable[web.RouteDef]]
# A room reads its table of the configuration when its routes are asked for, and refuses what it does not know.
ROOMS: tuple[Room, ...] = (
    probes.routes,
    oneclick.routes,
    pages.routes,
    signals.routes,
    intent.routes,
    providers.routes,
)


def routes(edge: Edge) -> list[web.RouteDef]:
    """Every route. Errors: ConfigError."""
    found = [route for room in ROOMS for route in room(edge)]
    edge.config.refuse_unread()
    return signals.heeding(edge, found)
