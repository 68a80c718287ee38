"""Mailgun's webhooks.

Signed by HMAC-SHA256 with the HTTP webhook signing key over `timestamp` and `token`, which stand in the body itself, in
`signature`. Source: Mailgun docs, "Securing Webhooks". So the signature does not cover the event, and a token that was
seen with its signature would carry any event: TLS must end at a proxy of yours, a token is taken once, and `timestamp`
is held to the window.

| event | becomes |
|---|---|
| failed | delivery.bounced with `enhanced-code`, else the code in its message |
| failed, `suppress-unsubscribe`, `suppress-complaint` | the "no" that Mailgun knows: as below |
| complained | feedback.complaint |
| delivered | delivery.succeeded |
| unsubscribed | unsubscribe.link; of a mailing list whose program is known, preference.set false |
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from consent_stream.edge.config import Config
from consent_stream.edge.providers.provider import Provider, object_of
from consent_stream.edge.providers.reports import (
    Delivery,
    Forged,
    Malformed,
    Reading,
    ident_of,
    instant_of,
    status_in,
    table_of,
    text_of,
    unsubscribe,
    within,
)


class Mailgun(Provider):
    """`signing_key_file` or `signing_key_env`."""

    entries = ("signing_key_file", "signing_key_env")

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        self._key = self.secret("signing_key")

    async def read(self, delivery: Delivery) -> Reading:
        body = object_of(delivery.body)
        signature = table_of(body, "signature")
        timestamp, token = str(signature.get("timestamp", "")), text_of(signature, "token")
        right = hmac.digest(self._key, f"{timestamp}{token}".encode("utf-8", "replace"), "sha256").hex()
        given = text_of(signature, "signature").encode("utf-8", "replace")
        if not hmac.compare_digest(right.encode(), given) or not (timestamp.isascii() and timestamp.isdigit()):
            raise Forged
        fresh = within(int(timestamp[:20]), delivery.now)
        if fresh is None:
            raise Forged
        entry = body.get("event-data")
        if not isinstance(entry, dict):
            raise Malformed("no event-data")
        reading = Reading(late=not fresh, done=f"{timestamp}{token}")
        self._one(reading, entry)
        return reading

    def _one(self, reading: Reading, entry: Mapping[str, Any]) -> None:
        ident, at = ident_of(entry.get("id")), instant_of(entry.get("timestamp"))
        email, kind = entry.get("recipient"), entry.get("event")
        if kind == "failed":
            self._failed(reading, ident, at, entry)
        elif kind == "complained":
            reading.add("feedback.complaint", ident, at, email, "email", feedback_type="abuse")
        elif kind == "delivered":
            reading.add("delivery.succeeded", ident, at, email, "email")
        elif kind == "unsubscribed":
            listed = text_of(table_of(entry, "mailing-list"), "address")
            unsubscribe(reading, ident, at, email, self.programs.get(listed))
        else:
            reading.skipped.append("ignored" if isinstance(kind, str) else "malformed")

    def _failed(self, reading: Reading, ident: str | None, at: int | None, entry: Mapping[str, Any]) -> None:
        email, reason = entry.get("recipient"), text_of(entry, "reason")
        if reason == "suppress-unsubscribe":
            unsubscribe(reading, ident, at, email, None)
        elif reason == "suppress-complaint":
            reading.add("feedback.complaint", ident, at, email, "email", feedback_type="abuse")
        else:
            told = table_of(entry, "delivery-status")
            status = status_in(told.get("enhanced-code"), told.get("message"), told.get("description"))
            reading.add("delivery.bounced", ident, at, email, "email", status=status)
