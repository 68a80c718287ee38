"""Whom a reported mail is about, when that is proven; and the endpoint that takes such mail by POST."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from consent_stream.edge.config import Config
from consent_stream.edge.providers.mail import MailReport, read_mail
from consent_stream.edge.providers.provider import Provider
from consent_stream.edge.providers.reports import Delivery, Forged, Reading, Report
from consent_stream.edge.tokens import Link, Links, UnknownLink


def link_in(links: Links, tokens: Iterable[str]) -> Link | None:
    """The first of these that is a link of ours."""
    for token in tokens:
        try:
            return links.read(token)
        except UnknownLink:
            continue
    return None


def of_link(report: MailReport, link: Link) -> list[Report]:
    """What a report says of the message that a link belongs to. The link says whom; the report only what."""
    keys = {"keys": [key.hex() for key in link.keys], "channel": link.channel}
    found = []
    for number, each in enumerate(report.told):
        if each.type is not None:
            said = keys | _more(each.status, each.feedback) | {"message_id": link.message_id or None}
            found.append(Report(each.type, f"{report.ident}:{number}", None, said))
    return found


def _more(status: str | None, feedback: str | None) -> dict[str, Any]:
    return {"status": status, "feedback_type": feedback}


class PostedMail(Provider):
    """`secret_file` or `secret_env`: what `Authorization: Bearer` must say. Who has it is believed; a link of ours of
    the same tenant in the returned message is believed before what the report calls the recipient."""

    entries = ("secret_file", "secret_env")

    def __init__(self, where: str, table: Mapping[str, Any], config: Config, links: Links) -> None:
        super().__init__(where, table, config)
        self._secret, self._links = self.secret("secret"), links

    async def read(self, delivery: Delivery) -> Reading:
        scheme, _, given = delivery.headers.get("authorization", "").partition(" ")
        said = given.strip().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(said, self._secret) or scheme.lower() != "bearer":
            raise Forged
        report, reading = read_mail(delivery.body), Reading()
        link = link_in(self._links, report.tokens)
        if link is not None and link.tenant == self.tenant:
            reading.reports += of_link(report, link)
        else:
            for number, each in enumerate(report.told):
                if each.type is not None:
                    more = _more(each.status, each.feedback)
                    reading.add(each.type, f"{report.ident}:{number}", None, each.address, "email", **more)
        if not reading.reports and not reading.skipped:
            reading.skipped.append("ignored")
        return reading
