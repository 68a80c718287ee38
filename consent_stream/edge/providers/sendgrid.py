"""Twilio SendGrid's Event Webhook.

Signed by ECDSA on P-256 with SHA-256 over `X-Twilio-Email-Event-Webhook-Timestamp` and the body as it came, in
`X-Twilio-Email-Event-Webhook-Signature` (base64 of DER). Source: SendGrid docs, "Getting Started with the Event
Webhook Security Features". The body is an array of events; `sg_event_id` is the id of each.

| event | becomes |
|---|---|
| bounce | delivery.bounced with `status`; a `blocked` one too, whose code is none that counts |
| dropped | Invalid: delivery.bounced 5.1.3; Unsubscribed Address, Spam Reporting Address: as below; else nothing |
| spamreport | feedback.complaint |
| delivered | delivery.succeeded |
| unsubscribe | unsubscribe.link: subscription tracking is one list for all mail |
| group_unsubscribe | preference.set false of the group's program, else unsubscribe.link |
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.providers.provider import Provider, json_of
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
    within,
)

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


class SendGrid(Provider):
    """`public_key`: as the console shows it."""

    entries = ("public_key",)

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        try:
            key = load_der_public_key(base64.b64decode(self.text("public_key"), validate=True))
        except (ValueError, binascii.Error):
            raise ConfigError(f"{where}.public_key: the verification key of the console is expected") from None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ConfigError(f"{where}.public_key: a key on P-256 is expected")
        self._key = key

    async def read(self, delivery: Delivery) -> Reading:
        timestamp = delivery.headers.get(TIMESTAMP, "")
        try:
            signature = base64.b64decode(delivery.headers.get(SIGNATURE, ""), validate=True)
            self._key.verify(signature, timestamp.encode("utf-8", "replace") + delivery.body, ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            raise Forged from None
        fresh = within(int(timestamp), delivery.now) if timestamp.isascii() and timestamp.isdigit() else None
        if fresh is None:
            raise Forged
        entries = json_of(delivery.body)
        if not isinstance(entries, list):
            raise Malformed("no array")
        reading = Reading(late=not fresh)
        for entry in reading.each(entries):
            self._one(reading, entry)
        return reading

    def _one(self, reading: Reading, entry: Mapping[str, Any]) -> None:
        ident, at, email = ident_of(entry.get("sg_event_id")), instant_of(entry.get("timestamp")), entry.get("email")
        kind = entry.get("event")
        if kind == "bounce":
            status = status_in(entry.get("status"), entry.get("reason"))
            reading.add("delivery.bounced", ident, at, email, "email", status=status)
        elif kind == "dropped":
            self._dropped(reading, ident, at, email, text_of(entry, "reason").lower())
        elif kind == "spamreport":
            reading.add("feedback.complaint", ident, at, email, "email", feedback_type="abuse")
        elif kind == "delivered":
            reading.add("delivery.succeeded", ident, at, email, "email")
        elif kind == "unsubscribe":
            unsubscribe(reading, ident, at, email, None)
        elif kind == "group_unsubscribe":
            unsubscribe(reading, ident, at, email, self.programs.get(str(entry.get("asm_group_id"))))
        else:
            reading.skipped.append("ignored" if isinstance(kind, str) else "malformed")

    def _dropped(self, reading: Reading, ident: str | None, at: int | None, email: object, reason: str) -> None:
        if "unsubscribed" in reason:
            unsubscribe(reading, ident, at, email, None)
        elif "spam report" in reason:
            reading.add("feedback.complaint", ident, at, email, "email", feedback_type="abuse")
        elif reason == "invalid":
            reading.add("delivery.bounced", ident, at, email, "email", status="5.1.3")
        else:
            reading.skipped.append("ignored")
