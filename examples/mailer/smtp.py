"""A message by SMTP, one connection each: up to the recipient first, so that the last question comes right before DATA.

DKIM, and queues beyond this hop, are the mail server's.
"""

import re
import smtplib
import ssl
from email import policy
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, NamedTuple, Self

from consent_stream.links import Sender

STATUS = re.compile(rb"\s*(5\.\d{1,3}\.\d{1,3})\b")  # RFC 3463, at the head of a reply (RFC 2034)
WIRE = policy.SMTP.clone(max_line_length=998)  # RFC 5322 §2.1.1; folded at 78, a long link would be encoded


class Mail(NamedTuple):
    """Where mail goes, and what is in it. links: makes the signed links of each message."""

    host: str
    port: int
    sender: str
    links: Sender
    starttls: bool = False
    user: str | None = None
    password: str | None = None
    timeout: float = 30.0  # RFC 5321 §4.5.3.2 allows minutes, but answers of a gate do not last as long


class Refused(Exception):
    """The server said no, and nothing was handed over. The text is the code alone: replies repeat the address."""

    def __init__(self, code: int, reply: bytes | str) -> None:
        self.permanent = code >= 500
        found = STATUS.match(reply.encode() if isinstance(reply, str) else reply)
        self.status = found[1].decode() if found and self.permanent else None
        super().__init__(f"smtp_{code}")


def compose(message: dict[str, Any], mail: Mail) -> bytes:
    """The mail, with the headers by which one click unsubscribes (RFC 8058 §3.1): a signed link, without an address.

    Errors: ValueError when it cannot be made; UnknownTenantKey.
    """
    found = EmailMessage(WIRE)
    found["From"], found["To"] = mail.sender, message["email"]
    found["Subject"], found["Date"] = message.get("subject", "News"), formatdate()
    found["Message-ID"] = f"<{message['id']}@{mail.sender.rpartition('@')[2].strip('>')}>"
    if message.get("purpose", "marketing") == "marketing":
        named = {name: message[name] for name in ("email", "contact", "scope") if name in message}
        token = mail.links.token(message["tenant"], message_id=message["id"], **named)
        for name, value in mail.links.headers(token).items():
            found[name] = value
    found.set_content(message.get("text", "News."))
    return found.as_bytes()


class Link:
    """A connection to the mail server that has taken the recipient.

    Errors: Refused; OSError or smtplib.SMTPException when the server is away, hangs or drops the link.
    """

    def __init__(self, message: dict[str, Any], mail: Mail) -> None:
        self._content = compose(message, mail)
        self._smtp = smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout)
        try:
            if mail.starttls:
                self._smtp.starttls(context=ssl.create_default_context())
            if mail.user is not None:
                self._smtp.login(mail.user, mail.password or "")
            self._smtp.ehlo_or_helo_if_needed()
            _accepted(*self._smtp.mail(mail.sender.rpartition("<")[2].strip(">")))
            _accepted(*self._smtp.rcpt(message["email"]))
        except BaseException:
            self._smtp.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._smtp.close()

    def hand_over(self) -> None:
        """DATA. After an error that is not `Refused` nobody knows whether the server has the message."""
        try:
            _accepted(*self._smtp.data(self._content))
        except smtplib.SMTPDataError as error:
            raise Refused(error.smtp_code, error.smtp_error) from None


def _accepted(code: int, reply: bytes) -> None:
    if not 200 <= code < 300:
        raise Refused(code, reply)
