"""A fresh link, sent to the address that an old link went to: by mail, to nobody else.

The edge knows no addresses. The person types it; a letter goes out only when the old link's own key is that of what was
typed, so that nobody can have letters sent to others. What the person reads is the same either way.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from consent_stream.domain.addresses import canonical_email
from consent_stream.edge.pages.catalogue import Catalogue
from consent_stream.edge.pages.config import Mail
from consent_stream.wire.keys import Keyring, UnknownTenantKey

TIMEOUT = 15.0  # seconds for each step with the mail server


def keys_of(keys: Keyring, tenant: str, typed: str, linked: Sequence[bytes]) -> tuple[bytes, ...]:
    """The keys of the fresh link: the address's own and the old link's. Nothing when it is another address."""
    canonical = canonical_email(typed)
    if canonical is None:
        return ()
    try:
        if not set(keys.all(tenant, "email", canonical)) & set(linked):
            return ()
        return tuple(dict.fromkeys((keys.subject(tenant, "email", canonical), *linked)))
    except UnknownTenantKey:
        return ()


def letter(mail: Mail, to: str, sender: str, url: str, cat: Catalogue) -> EmailMessage:
    """The message. Errors: ValueError for an address that no header can hold."""
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, to
    message["Subject"] = cat("mail.subject", sender=sender)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=mail.sender.rpartition("@")[2] or None)
    message["Auto-Submitted"] = "auto-replied"  # RFC 3834: no answer is wanted
    message["Content-Language"] = cat.language
    message.set_content(cat("mail.body", sender=sender, url=url))
    return message


def post(mail: Mail, message: EmailMessage) -> None:
    """Hand it over; blocks. Errors: OSError, smtplib.SMTPException."""
    context = ssl.create_default_context()
    if mail.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT)
    with server:
        if mail.security == "starttls":
            server.starttls(context=context)
        if mail.user:
            server.login(mail.user, mail.password)
        server.send_message(message)
