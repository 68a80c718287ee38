"""The rooms of an edge, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from consent_stream.edge import intent, oneclick, pages, providers, signals
from consent_stream.edge.edge import Edge
from consent_stream.http import probes

Room = Callable[[Edge], Iterable[web.RouteDef]]
# A room reads its table of the configuration when its routes are asked for, and refuses what it does not know.
ROOMS: tuple[Room, ...] = (
    oneclick.routes,
    pages.routes,
    signals.routes,
    intent.routes,
    providers.routes,
)


def routes(edge: Edge) -> list[web.RouteDef]:
    """Every route. Errors: ConfigError."""
    found = [*probes.routes(edge, edge.metrics.text), *(route for room in ROOMS for route in room(edge))]
    edge.config.refuse_unread()
    return signals.heeding(edge, found)
