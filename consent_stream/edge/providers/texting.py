"""`/sms/NAME`: a text becomes an event, and then perhaps an answer. What it means, the worker decides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from consent_stream.domain.addresses import canonical_phone, kept_phone
from consent_stream.domain.policy import NO_WORDS
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.providers.answers import WITHIN_US, answer, kind_of, language_of
from consent_stream.edge.providers.replay import Done
from consent_stream.edge.providers.replying import Replying
from consent_stream.edge.providers.reports import Forged, Malformed
from consent_stream.edge.providers.routes import accepted, counter, delivered, endpoints
from consent_stream.edge.providers.texts import Inbound, JsonTexts, Text, TwilioTexts
from consent_stream.http.bodies import expect
from consent_stream.http.problems import Problem

TABLE = "sms"
KINDS: Mapping[str, Any] = {"twilio": TwilioTexts, "json": JsonTexts}
NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'  # TwiML: no answer from Twilio itself


def routes(edge: Edge) -> Iterable[web.RouteDef]:
    """Errors: ConfigError."""
    known: dict[str, Inbound] = endpoints(edge, TABLE, KINDS)
    counts, done = counter(edge, "consent_edge_texts_total", "Texts by what became of them"), Done()
    replying = Replying(edge.settings, edge.clock)

    async def take(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        endpoint = known.get(name)
        if endpoint is None:
            raise Problem("not-found")
        delivery = await delivered(request, edge)
        try:
            text = endpoint.one(delivery)
        except Forged:
            counts.labels(name, "forged").inc()
            raise Problem("bad-signature") from None
        except Malformed as error:
            counts.labels(name, "malformed").inc()
            raise Problem("bad-report", str(error)) from None
        key = (name, text.reference)
        kind = kind_of(text.text, edge.policy.words.get(endpoint.tenant, NO_WORDS))
        if done.seen(key, delivery.now / 1e6):
            counts.labels(name, "repeated").inc()
        elif text.late and kind == "start":
            counts.labels(name, "late").inc()
        else:
            await accepted(edge, _events(f"/edge/{TABLE}/{name}", endpoint, text, kind))
            done.mark(key, delivery.now / 1e6)
            counts.labels(name, kind or "other").inc()
            if endpoint.brand and kind and not text.answered and 0 <= delivery.now - text.at < WITHIN_US:
                counts.labels(name, await _answer(edge, replying, name, endpoint, text, kind)).inc()
        return web.Response(text=NOTHING, content_type="text/xml")

    return [web.post(f"/{TABLE}/{{name}}", take, expect_handler=expect)]


def _events(source: str, endpoint: Inbound, text: Text, kind: str) -> list[dict[str, Any]]:
    said = {"phone": text.phone, "channel": "sms", "program": endpoint.program}
    first = event("sms.inbound", source, endpoint.tenant, at=text.at, ident=text.reference, text=text.text, **said)
    if text.taken_for.upper() != "STOP" or kind == "stop":
        return [first]
    # A word that only the provider's own list has: the person was told that it was a STOP.
    ident = f"{text.reference}:opt-out"
    return [first, event("sms.inbound", source, endpoint.tenant, at=text.at, ident=ident, text="STOP", **said)]


async def _answer(edge: Edge, replying: Replying, name: str, endpoint: Inbound, text: Text, kind: str) -> str:
    number = canonical_phone(text.phone, None) or kept_phone(text.phone)
    key = edge.keys.subject(endpoint.tenant, "sms", number)
    language = language_of(text.text, endpoint.language)
    said = answer(key, endpoint.tenant, kind, language, endpoint.brand or "", name, text.reference, text.at)
    return await asyncio.get_running_loop().run_in_executor(None, replying.offer, said)
