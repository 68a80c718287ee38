"""Twilio: how it signs, and its status callbacks of text messages.

`X-Twilio-Signature` is base64 of HMAC-SHA1, with the account's auth token, over the URL as Twilio called it and every
form field, sorted, name and value joined. Source: Twilio docs, "Security: Validating Signatures". The URL is that of
the edge's `--base-url`, or `url`: a proxy in front has changed Host and scheme. Twilio signs no time.

| status | becomes |
|---|---|
| undelivered, failed, ErrorCode 30005 (unknown handset) | delivery.bounced 5.1.1 |
| the same, 21610 (stopped at Twilio) | consent.withdrawn |
| the same, other errors | delivery.bounced without a code, which has no effect |
| delivered | delivery.succeeded |
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from consent_stream.edge.config import Config
from consent_stream.edge.providers.provider import Endpoint, Provider
from consent_stream.edge.providers.reports import Delivery, Forged, Malformed, Reading, ident_of

FIELDS = 200  # Twilio sends some thirty
UNKNOWN_HANDSET = "30005"
STOPPED = "21610"


class Signed(Endpoint):
    """`auth_token_file` or `auth_token_env`; `url`: what Twilio calls, when it is not below `--base-url`."""

    entries: Collection[str] = ("auth_token_file", "auth_token_env", "url")

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        self._key = self.secret("auth_token")
        self._url = self.text("url") if "url" in table else None

    def fields(self, delivery: Delivery) -> dict[str, str]:
        """The form, once its signature holds. Errors: Forged, Malformed."""
        try:
            pairs = parse_qsl(delivery.body.decode(), keep_blank_values=True, max_num_fields=FIELDS, errors="strict")
        except ValueError:
            raise Malformed("no form") from None
        given = delivery.headers.get("x-twilio-signature", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, signature(self._key, self._url or delivery.url, pairs)):
            raise Forged
        return dict(pairs)


class Twilio(Signed, Provider):
    """Status callbacks."""

    async def read(self, delivery: Delivery) -> Reading:
        fields, reading = self.fields(delivery), Reading()
        status, phone = fields.get("MessageStatus", ""), fields.get("To", "")
        ident = ident_of(fields.get("MessageSid"), status)
        if not status:
            raise Malformed("no MessageStatus")
        if status == "delivered":
            reading.add("delivery.succeeded", ident, None, phone, "sms")
            reading.done = ident  # no time is signed: a repetition must not be a later delivery
        elif status in ("undelivered", "failed"):
            error = fields.get("ErrorCode", "")
            if error == STOPPED:
                reading.add("consent.withdrawn", ident, None, phone, "sms")
            else:
                code = "5.1.1" if error == UNKNOWN_HANDSET else None
                reading.add("delivery.bounced", ident, None, phone, "sms", status=code)
            reading.done = ident
        else:
            reading.skipped.append("ignored")
        return reading


def signature(key: bytes, url: str, pairs: Sequence[tuple[str, str]]) -> bytes:
    """What `X-Twilio-Signature` must say. Fields that stand twice count once with each value, as in Twilio's own."""
    said = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(key, said.encode("utf-8", "surrogatepass"), "sha1"))
