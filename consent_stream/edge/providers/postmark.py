"""Postmark's webhooks.

Postmark signs nothing. What it offers is basic authentication in the webhook's URL, and headers of one's own choice
(Postmark developer docs, "Webhooks overview"): so whoever has the secret is believed, and there is no window against
replays. A repeated report has its own time and id and changes nothing.

| RecordType | becomes |
|---|---|
| Bounce | delivery.bounced with the code in Details |
| Bounce without one, of an address now Inactive | HardBounce: 5.1.1, BadEmailAddress: 5.1.3 |
| SpamComplaint | feedback.complaint |
| Delivery | delivery.succeeded |
| SubscriptionChange, SuppressSending | by its reason: complaint, bounce 5.1.1, else an unsubscribe |
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any

from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.providers.provider import Provider, object_of
from consent_stream.edge.providers.reports import (
    Delivery,
    Forged,
    Malformed,
    Reading,
    ident_of,
    instant_of,
    status_in,
    text_of,
    unsubscribe,
)

_WITHOUT_CODE = {"HardBounce": "5.1.1", "BadEmailAddress": "5.1.3"}


class Postmark(Provider):
    """`user` and `password_file` or `password_env` of the URL; or `header` and `password_…`: the header's value."""

    entries = ("user", "header", "password_file", "password_env")

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        if ("user" in table) == ("header" in table):
            raise ConfigError(f"{where}: user or header is needed, one of them")
        password = self.secret("password")
        self._header = self.text("header", "authorization").lower()
        self._value = password
        if "user" in table:
            self._value = b"Basic " + base64.b64encode(self.text("user").encode() + b":" + password)

    async def read(self, delivery: Delivery) -> Reading:
        given = delivery.headers.get(self._header, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._value):
            raise Forged
        entry, reading = object_of(delivery.body), Reading()
        kind, email = entry.get("RecordType"), entry.get("Email") or entry.get("Recipient")
        if not isinstance(kind, str):
            raise Malformed("no RecordType")
        at = instant_of(text_of(entry, "BouncedAt", "DeliveredAt", "ChangedAt"))
        ident = ident_of(kind, entry.get("ID") or entry.get("MessageID"))
        if kind == "Bounce":
            reading.add("delivery.bounced", ident, at, email, "email", status=_status(entry))
        elif kind == "SpamComplaint":
            reading.add("feedback.complaint", ident, at, email, "email", feedback_type="abuse")
        elif kind == "Delivery":
            reading.add("delivery.succeeded", ident, at, email, "email")
        elif kind == "SubscriptionChange" and entry.get("SuppressSending") is not False:
            # One change may follow another of the same message: the time is part of its id.
            self._suppressed(reading, ident and ident_of(ident, at or 0), at, entry)
        else:
            reading.skipped.append("ignored")
        return reading

    def _suppressed(self, reading: Reading, ident: str | None, at: int | None, entry: Mapping[str, Any]) -> None:
        reason, email = entry.get("SuppressionReason"), entry.get("Recipient")
        if reason == "SpamComplaint":
            reading.add("feedback.complaint", ident, at, email, "email", feedback_type="abuse")
        elif reason == "HardBounce":
            reading.add("delivery.bounced", ident, at, email, "email", status="5.1.1")
        else:
            unsubscribe(reading, ident, at, email, self.programs.get(text_of(entry, "MessageStream")))


def _status(entry: Mapping[str, Any]) -> str | None:
    found = status_in(entry.get("Details"), entry.get("Description"))
    if found is None and entry.get("Inactive") is True:
        return _WITHOUT_CODE.get(text_of(entry, "Type"))
    return found
