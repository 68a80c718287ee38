"""`/providers/NAME`: a request is checked, read, handed to the door, and only then answered 200.

1. What is not signed as it must be has no effect, and one answer: 401.
2. 503 while the door takes nothing: every provider comes again. 200 means Kafka, or the disk.
3. An event that a provider tells of and nobody here needs is acknowledged and counted; a broken one in a batch holds
   up nobody else's "no".
4. No repetition does more than the first: ids and times are the provider's own, and where it signs no time, or does not
   sign what it says, a key is taken once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import Counter

from consent_stream.edge.config import ConfigError
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.providers.believed import PostedMail
from consent_stream.edge.providers.mailgun import Mailgun
from consent_stream.edge.providers.postmark import Postmark
from consent_stream.edge.providers.provider import Provider
from consent_stream.edge.providers.replay import Done
from consent_stream.edge.providers.reports import Delivery, Forged, Malformed, Reading
from consent_stream.edge.providers.sendgrid import SendGrid
from consent_stream.edge.providers.ses import Ses
from consent_stream.edge.providers.sns import Unfetched
from consent_stream.edge.providers.twilio import Twilio
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.problems import Problem

log = logging.getLogger(__name__)
KINDS: Mapping[str, type[Provider]] = {
    "ses": Ses,
    "sendgrid": SendGrid,
    "mailgun": Mailgun,
    "postmark": Postmark,
    "twilio": Twilio,
}
TABLE = "providers"


def endpoints(edge: Edge, table: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The endpoints of a table of the configuration, by name. Errors: ConfigError."""
    found = {}
    for name, entry in edge.config.table(table).items():
        where = f"{table}.{name}"
        if not isinstance(entry, dict) or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"{where}: a table with a name of letters, digits, - and _ is expected")
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            raise ConfigError(f"{where}.kind: one of {', '.join(kinds)} is expected")
        found[name] = kinds[kind](where, entry, edge.config)
    return found


def counter(edge: Edge, name: str, what: str) -> Counter:
    """By endpoint and by what became of it."""
    return Counter(name, what, ["endpoint", "result"], registry=edge.metrics.registry)


async def delivered(request: web.Request, edge: Edge) -> Delivery:
    """The request as providers are checked by. Errors: Problem."""
    body = await read_within(request, edge.limits)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Delivery(headers, body, edge.base_url + request.raw_path, edge.clock())


async def accepted(edge: Edge, events: list[dict[str, Any]]) -> tuple[str, ...]:
    """Receipts. Errors: Problem `unavailable`, `bad-report` for an event beyond all bounds."""
    try:
        return await edge.door.accept(events)
    except Unavailable as error:
        raise Problem("unavailable", headers={"Retry-After": str(error.retry_after)}) from None
    except ValueError:  # nobody has an address so long
        raise Problem("bad-report", "too large an event") from None


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """Errors: ConfigError."""
    known: dict[str, Provider] = endpoints(
        edge, TABLE, {**KINDS, "mail": lambda where, table, config: PostedMail(where, table, config, edge.links)}
    )
    counts, done = counter(edge, "consent_edge_reports_total", "Reports of providers by what became of them"), Done()

    async def take(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        provider = known.get(name)
        if provider is None:
            raise Problem("not-found")
        delivery = await delivered(request, edge)
        reading = await _read(provider, delivery, lambda result: counts.labels(name, result).inc())
        if reading.done is not None and done.seen((name, reading.done), delivery.now / 1e6):
            counts.labels(name, "repeated").inc()
            return web.Response()
        for each in reading.skipped:
            counts.labels(name, each).inc()
        reports = reading.effective()
        counts.labels(name, "late").inc(len(reading.reports) - len(reports))
        if reports:
            source = f"/edge/{TABLE}/{name}"
            await accepted(edge, [each.event(source, provider.tenant, delivery.now) for each in reports])
        for report in reports:
            counts.labels(name, report.type).inc()
        if reading.done is not None:
            done.mark((name, reading.done), delivery.now / 1e6)
        return web.Response()

    return [web.post(f"/{TABLE}/{{name}}", take, expect_handler=expect)]


async def _read(provider: Provider, delivery: Delivery, count: Any) -> Reading:
    try:
        reading = await provider.read(delivery)
    except Forged:
        count("forged")
        raise Problem("bad-signature") from None
    except Malformed as error:
        count("malformed")
        raise Problem("bad-report", str(error)) from None
    except Unfetched:
        count("unfetched")
        raise Problem("unavailable", "the certificate cannot be got", headers={"Retry-After": "60"}) from None
    if reading.skipped and not reading.reports and set(reading.skipped) == {"malformed"}:
        count("malformed")
        raise Problem("bad-report", "nothing in it can be read")
    return reading
