"""What providers tell: signed webhooks, reports by mail, texts from people.

`reports` is the one form of what is told; each provider has a module that checks who signed and reads; `routes` and
`texting` have the handlers. Nothing here decides what an event means.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from consent_stream.edge.edge import Edge
from consent_stream.edge.providers import routes as webhooks
from consent_stream.edge.providers import texting


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """`/providers/NAME` and `/sms/NAME`. Errors: ConfigError."""
    return [*webhooks.routes(edge), *texting.routes(edge)]
