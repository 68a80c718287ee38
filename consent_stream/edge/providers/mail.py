"""Reports by mail: ARF complaints (RFC 5965) and delivery status notifications (RFC 3464), as bytes of a message.

Anyone can write such a mail. So whose address it concerns is believed only

1. of a link of ours that it brings back: behind the `+` of the address it went to, in the header `X-Consent-Token` or
   in `List-Unsubscribe` of the message that it returns. The link names subject keys and the tenant, and nothing that
   the report says of a recipient counts beside it; or
2. when it came over a channel that proves who sent it (a POST with a secret).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email import policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser

from consent_stream.edge.providers.reports import Malformed

TOKEN_HEADER = "X-Consent-Token"
MOST_RECIPIENTS = 100
MOST_PARTS = MOST_RECIPIENTS + 50  # the parser makes a part of each recipient, too
MOST_BOUNDARIES = 2000  # lines that may begin a part: reading goes through all of them
LONGEST_HEADER = 20_000  # characters that are looked at; a parameter of a longer one costs the square of its length
LARGEST_MAIL = 1024 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9_-]{60,2000}")
# RFC 6522 §3, RFC 6533 §4; "message/rfc822-headers" is nobody's standard, and is sent.
RETURNED = (
    "message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers",
)  # fmt: skip


class _Short(policy.Compat32):
    """It keeps what it cannot read, and reads headers when asked: no more of each than `LONGEST_HEADER`."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


_PARSER = BytesParser(policy=_Short())


@dataclass(frozen=True)
class Told:
    """One recipient of a report. type: of the event; none when it changes nothing. address: as the report has it."""

    type: str | None
    address: str = field(repr=False)
    status: str | None = None
    feedback: str | None = None


@dataclass(frozen=True)
class MailReport:
    """kind: `arf`, `dsn`, `other` for a report of another kind, `letter` for what is none. tokens: what may be one, in
    the returned message; of a letter in its subject and `X-Consent-Token`. ident: the same for the same bytes."""

    kind: str
    ident: str
    told: tuple[Told, ...] = field(repr=False)
    tokens: tuple[str, ...] = field(repr=False)


def read_mail(raw: bytes) -> MailReport:
    """What a mail reports. Errors: Malformed for what is too large, or a report without its parts."""
    if len(raw) > LARGEST_MAIL:
        raise Malformed("too large")
    if raw.count(b"\n--") > MOST_BOUNDARIES:
        raise Malformed("too many parts")
    try:
        message = _PARSER.parsebytes(raw)
        parts = _parts(message)
    except (MessageError, ValueError, LookupError, RecursionError):
        raise Malformed("no message") from None
    ident = hashlib.sha256(raw).hexdigest()[:32]
    kind = _report_type(message)
    told: tuple[Told, ...] = ()
    if kind == "feedback-report":
        told = tuple(_complaints(parts))
    elif kind == "delivery-status":
        told = tuple(_deliveries(parts))[:MOST_RECIPIENTS]
    tokens = tuple(dict.fromkeys(_tokens(parts) if kind else _own_tokens(message)))
    named = {"feedback-report": "arf", "delivery-status": "dsn", "": "letter"}
    return MailReport(named.get(kind, "other"), ident, told, tokens)


def tokens_in(text: str) -> list[str]:
    """What may be a link's token in a text."""
    return _TOKEN.findall(text[:20_000])


def _report_type(message: Message) -> str:
    if message.get_content_type() != "multipart/report":
        return ""
    found = message.get_param("report-type")
    return found.lower() if isinstance(found, str) else ""


def _parts(message: Message) -> list[Message]:
    """All parts, those of a returned message too."""
    found = []
    for part in message.walk():
        found.append(part)
        if len(found) > MOST_PARTS:
            raise Malformed("too many parts")
    return found


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    return "" if value is None else str(value)


def _blocks(parts: Iterable[Message], kind: str) -> Iterator[Mapping[str, str]]:
    """The groups of fields of a machine-readable part, names in lower case; the first one comes first."""
    for part in parts:
        if part.get_content_type() != kind:
            continue
        payload = part.get_payload()
        if isinstance(payload, list):  # message/delivery-status: the parser made a message of each group
            groups = [
                {name.lower(): str(value) for name, value in group.items()}
                for group in payload
                if isinstance(group, Message)
            ]
        else:
            group = _PARSER.parsebytes(part.get_payload(decode=True) or b"")  # type: ignore[arg-type]
            groups = [{name.lower(): str(value) for name, value in group.items()}]
        yield from groups


def _complaints(parts: list[Message]) -> Iterator[Told]:
    fields = next(iter(_blocks(parts, "message/feedback-report")), None)
    if fields is None or "feedback-type" not in fields:
        raise Malformed("no Feedback-Type")
    feedback = fields["feedback-type"].strip().lower()[:40]
    type = "feedback.not_spam" if feedback == "not-spam" else "feedback.complaint"
    yield Told(type, _address(fields.get("original-rcpt-to", "")), None, feedback)


def _deliveries(parts: list[Message]) -> Iterator[Told]:
    groups = list(_blocks(parts, "message/delivery-status"))
    recipients = [group for group in groups if "final-recipient" in group or "original-recipient" in group]
    if not recipients:
        raise Malformed("no Final-Recipient")
    for group in recipients:
        # Original-Recipient is whom we wrote to; Final-Recipient may be where that was forwarded (RFC 3464 §2.3.1).
        address = _address(group.get("original-recipient") or group.get("final-recipient", ""))
        action, status = group.get("action", "").strip().lower(), group.get("status", "").split(maxsplit=1)[:1]
        type = {"failed": "delivery.bounced", "delivered": "delivery.succeeded"}.get(action)
        yield Told(type, address, status[0] if status else None)


def _address(text: str) -> str:
    """Of `rfc822; ana@example.com` or `<ana@example.com>`."""
    kind, semicolon, rest = text.partition(";")
    found = (rest if semicolon and kind.strip().lower() in ("rfc822", "utf-8") else text).strip()
    return found.removeprefix("<").removesuffix(">").strip()


def _own_tokens(message: Message) -> Iterator[str]:
    """A long subject comes folded, in encoded words (RFC 2047), or cut by blanks."""
    for name in (TOKEN_HEADER, "Subject"):
        said = _header(message, name)
        try:
            words = [
                word if isinstance(word, str) else word.decode("ascii", "replace") for word, _ in decode_header(said)
            ]
        except (MessageError, ValueError):
            words = [said]
        text = "".join(words)
        yield from tokens_in(text)
        yield from tokens_in(re.sub(r"\s+", "", text))


def _tokens(parts: list[Message]) -> Iterator[str]:
    """Of the message that is returned, whole or its headers alone; never of the report around it."""
    for part in parts:
        if part.get_content_type() not in RETURNED:
            continue
        payload = part.get_payload()
        if isinstance(payload, list):  # of `message/…` the parser has made a message
            yield from (header for each in payload[:1] if isinstance(each, Message) for header in _of_headers(each))
        else:
            raw = part.get_payload(decode=True)
            yield from _of_headers(_PARSER.parsebytes(raw if isinstance(raw, bytes) else b"", headersonly=True))


def _of_headers(message: Message) -> Iterator[str]:
    for name in (TOKEN_HEADER, "List-Unsubscribe"):
        for value in message.get_all(name, []):
            yield from tokens_in(re.sub(r"\s+", "", str(value)))
