"""Texts that people send, from Twilio or as JSON from any gateway. What a text means, the worker decides (RULES §8).

JSON: `{"id", "from", "text", "time"}`, with `X-Timestamp` (seconds since 1970) and `X-Signature`: hex of HMAC-SHA256
over the timestamp, a dot, and the body. An old one is refused unless it may be a STOP; an old START opens nothing.
Twilio signs no time: a text is of the moment it comes, and each MessageSid is taken once.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from consent_stream.domain.nodes import valid_scope
from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.providers.provider import Endpoint, object_of
from consent_stream.edge.providers.reports import Delivery, Forged, Malformed, ident_of, instant_of, text_of, within
from consent_stream.edge.providers.twilio import Signed

LONGEST_TEXT = 4000  # characters; ten segments have 1,530
LONGEST_NUMBER = 64
TALK = ("brand", "program", "language")


@dataclass(frozen=True)
class Text:
    """reference: the provider's id of the message. at: µs. answered: by the provider itself. late: a signed time that
    is not of now. taken_for: what the provider took it for, when it says so."""

    reference: str
    phone: str = field(repr=False)
    text: str = field(repr=False)
    at: int
    answered: bool = False
    late: bool = False
    taken_for: str = ""


class Inbound(Protocol):
    """An endpoint of texts. brand: who answers; without one nothing is answered. program: what START opens. language:
    of answers whose word is of none."""

    tenant: str
    brand: str | None
    program: str | None
    language: str

    def one(self, delivery: Delivery) -> Text:
        """Errors: Forged, Malformed."""


class _Talk(Endpoint):
    """What both kinds have in their table."""

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        self.brand = self.text("brand") if "brand" in table else None
        self.program = self.text("program") if "program" in table else None
        self.language = self.text("language", "en")
        if self.program is not None and (not valid_scope(self.program) or self.program == "*"):
            raise ConfigError(f"{where}.program: a program is expected")
        if self.language not in ("en", "fr", "es", "de"):
            raise ConfigError(f"{where}.language: one of en, fr, es, de is expected")


class TwilioTexts(Signed, _Talk):
    """Twilio's form. With Advanced Opt-Out it says `OptOutType`, and has answered by itself."""

    entries = (*Signed.entries, *TALK)

    def one(self, delivery: Delivery) -> Text:
        fields = self.fields(delivery)
        taken_for = fields.get("OptOutType", "")
        return _text(
            fields.get("MessageSid"), fields.get("From"), fields.get("Body"), delivery.now,
            answered=bool(taken_for), taken_for=taken_for,
        )  # fmt: skip


class JsonTexts(_Talk):
    """`secret_file` or `secret_env`."""

    entries = ("secret_file", "secret_env", *TALK)

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        self._key = self.secret("secret")

    def one(self, delivery: Delivery) -> Text:
        timestamp = delivery.headers.get("x-timestamp", "")[:20]
        signed = timestamp.encode("utf-8", "surrogateescape") + b"." + delivery.body
        given = delivery.headers.get("x-signature", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(hmac.digest(self._key, signed, "sha256").hex().encode(), given):
            raise Forged
        fresh = within(int(timestamp), delivery.now) if timestamp.isascii() and timestamp.isdigit() else None
        if fresh is None:
            raise Forged
        body = object_of(delivery.body)
        at = instant_of(text_of(body, "time"))
        return _text(
            body.get("id"), body.get("from"), body.get("text"), int(timestamp) * 1_000_000 if at is None else at,
            late=not fresh,
        )  # fmt: skip


def _text(reference: object, phone: object, text: object, at: int, **more: Any) -> Text:
    ident = ident_of(reference)
    if ident is None or not isinstance(phone, str) or not phone.strip() or len(phone) > LONGEST_NUMBER:
        raise Malformed("no id, or no number")
    if not isinstance(text, str):
        raise Malformed("no text")
    return Text(ident, phone, text[:LONGEST_TEXT], at, **more)
