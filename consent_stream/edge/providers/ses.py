"""Amazon SES, through an SNS topic: notifications of feedback (`notificationType`) and event publishing (`eventType`).

Sources: SES developer guide, "Amazon SNS notification contents", "Contents of event data".

| type | becomes, for each recipient |
|---|---|
| Bounce | delivery.bounced with the recipient's status; Permanent of sub-type NoEmail without one: 5.1.1 |
| Complaint | feedback.complaint with its type; not-spam: feedback.not_spam |
| Delivery | delivery.succeeded |
| Subscription | unsubscribeAll, or OptOut of a topic whose program is not known: unsubscribe.link |
| Subscription | OptOut of topics: preference.set false |

Of a complaint that the mailbox provider does not tie to one address, SES names every recipient of that message who may
have made it: all of them are taken at the word. Event ids are SNS's MessageId, which a repetition keeps, and a number.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.providers.provider import Provider, object_of
from consent_stream.edge.providers.reports import (
    Delivery,
    Forged,
    Malformed,
    Reading,
    http_date,
    ident_of,
    instant_of,
    list_of,
    status_in,
    table_of,
    text_of,
    unsubscribe,
    within,
)
from consent_stream.edge.providers.sns import Signatures, fetched

log = logging.getLogger(__name__)


class Ses(Provider):
    """`topic`: the ARN. `certificates_dir`: SNS's certificates, by their names, where the edge may not fetch them."""

    entries = ("topic", "certificates_dir")

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        super().__init__(where, table, config)
        folder = Path(self.text("certificates_dir")) if "certificates_dir" in table else None
        try:
            self.signatures = Signatures(self.text("topic"), fetched, time.time, folder)
        except ValueError as error:
            raise ConfigError(f"{where}.topic: {error}") from None

    async def read(self, delivery: Delivery) -> Reading:
        message = object_of(delivery.body)
        await self.signatures.check(message)
        signed = http_date(text_of(message, "Timestamp"))
        fresh = None if signed is None else within(signed, delivery.now)
        if fresh is None:
            raise Forged
        if message["Type"] == "Notification":
            reading = Reading(late=not fresh)
            _notification(reading, object_of(message["Message"].encode("utf-8", "replace")), message, self.programs)
            return reading
        if message["Type"] == "SubscriptionConfirmation" and fresh:
            await self.signatures.confirm(message)
            log.info("%s: the subscription is confirmed", self.where)
        else:
            log.warning("%s: SNS tells that the subscription has ended, or an old confirmation", self.where)
        return Reading(skipped=["ignored"])


def _notification(
    reading: Reading, told: Mapping[str, Any], message: Mapping[str, Any], programs: Mapping[str, str]
) -> None:
    kind = told.get("eventType") or told.get("notificationType")
    if not isinstance(kind, str):
        raise Malformed("no eventType")
    detail = table_of(told, kind.lower())
    at = instant_of(text_of(detail, "timestamp"))
    for number, (address, entry) in enumerate(_recipients(kind, told, detail)):
        ident = ident_of(message.get("MessageId"), number)
        if kind == "Bounce":
            reading.add("delivery.bounced", ident, at, address, "email", status=_status(detail, entry))
        elif kind == "Complaint":
            _complaint(reading, ident, at, address, text_of(detail, "complaintFeedbackType"))
        elif kind == "Delivery":
            reading.add("delivery.succeeded", ident, at, address, "email")
        else:
            _choices(reading, ident, at, address, table_of(detail, "newTopicPreferences"), programs)
    if not reading.reports and not reading.skipped:
        reading.skipped.append("ignored")


def _recipients(kind: str, told: Mapping[str, Any], detail: Mapping[str, Any]) -> Iterable[tuple[object, Any]]:
    if kind in ("Bounce", "Complaint"):
        for entry in list_of(detail, "bouncedRecipients" if kind == "Bounce" else "complainedRecipients"):
            yield (entry.get("emailAddress") if isinstance(entry, dict) else None), entry
    elif kind == "Delivery":
        yield from ((each, None) for each in list_of(detail, "recipients"))
    elif kind == "Subscription":
        yield from ((each, None) for each in list_of(table_of(told, "mail"), "destination"))


def _status(detail: Mapping[str, Any], entry: object) -> str | None:
    entry = entry if isinstance(entry, dict) else {}
    found = status_in(entry.get("status"), entry.get("diagnosticCode"))
    if found is None and (detail.get("bounceType"), detail.get("bounceSubType")) == ("Permanent", "NoEmail"):
        return "5.1.1"
    return found


def _complaint(reading: Reading, ident: str | None, at: int | None, address: object, kind: str) -> None:
    if kind == "not-spam":
        reading.add("feedback.not_spam", ident, at, address, "email")
    else:
        reading.add("feedback.complaint", ident, at, address, "email", feedback_type=kind or None)


def _choices(
    reading: Reading,
    ident: str | None,
    at: int | None,
    address: object,
    wanted: Mapping[str, Any],
    programs: Mapping[str, str],
) -> None:
    topics = [each for each in list_of(wanted, "topicSubscriptionStatus") if isinstance(each, dict)]
    out = [text_of(each, "topicName") for each in topics if each.get("subscriptionStatus") == "OptOut"]
    if wanted.get("unsubscribeAll") is True or any(name not in programs for name in out):
        unsubscribe(reading, ident, at, address, None)
    elif out:
        topics_out = {programs[name]: False for name in out}
        reading.add("preference.set", ident, at, address, "email", topics=topics_out)
