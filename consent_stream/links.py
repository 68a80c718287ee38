"""Links for mailers: the headers by which one click unsubscribes, and the link of the preference centre.

    sender = Sender(keys="keys.toml", base_url="https://consent.example.com", mail="unsubscribe@example.com")
    token = sender.token("acme", email="ana@example.com", scope="news", message_id="m-1")
    headers.update(sender.headers(token))

A core install is enough, and so are the derived keys of one tenant.
"""

from __future__ import annotations

import re
import time
from os import PathLike
from pathlib import Path
from urllib.parse import quote

from consent_stream.domain.addresses import canonical_email, canonical_phone
from consent_stream.domain.subjects import encodes
from consent_stream.edge.tokens import Link, Links
from consent_stream.keyfile import load_keyring
from consent_stream.wire.keys import Keyring, is_subject_key, kind_of

POST = "List-Unsubscribe=One-Click"
_URL = re.compile(r"https?://[^\s/?#<>]+(/[^\s?#<>]*)?")


def unsubscribe_headers(token: str, base_url: str, mail: str | None = None) -> dict[str, str]:
    """`List-Unsubscribe` and `List-Unsubscribe-Post` (RFC 2369, RFC 8058 §3.1) for one token.

    base_url: of the edge, https. mail: an address that the edge reads, for clients that write and do not post; the
    token is the subject, since a local part has at most 64 letters (RFC 5321 §4.5.3.1.1). DKIM must cover both headers.
    """
    targets = [f"<{unsubscribe_url(token, base_url)}>"]
    if mail is not None:
        targets.append(f"<mailto:{quote(mail, safe='@+')}?subject={token}>")
    return {"List-Unsubscribe": ", ".join(targets), "List-Unsubscribe-Post": POST}


def unsubscribe_url(token: str, base_url: str) -> str:
    """The link that a POST unsubscribes by; a GET shows a button."""
    return f"{base_url.rstrip('/')}/u/{token}"


def preferences_url(token: str, base_url: str) -> str:
    """The link of the page where somebody sees what stands, and changes it: for the text of a message."""
    return f"{base_url.rstrip('/')}/p/{token}"


def is_base_url(text: str) -> bool:
    """Whether links can stand below it: an http or https URL without a query, and without what would end a header."""
    return _URL.fullmatch(text) is not None


class Sender:
    """Tokens and headers of one sender. keys: a root key file, one of derived keys, or a `Keyring`.

    base_url: of the edge. mail: an address that it reads.

    Errors when made: KeyFileError; ValueError for a base_url or mail that no header can hold.
    """

    def __init__(self, keys: Keyring | PathLike[str] | str, base_url: str, mail: str | None = None) -> None:
        if not isinstance(keys, Keyring):
            keys = load_keyring(Path(keys))
        self._keys, self._links = keys, Links(keys)
        if not is_base_url(base_url):
            raise ValueError("the base URL is no http or https URL, or has a query")
        if mail is not None and canonical_email(mail) is None:
            raise ValueError("the address for unsubscribes by mail is none")
        self.base_url, self.mail = base_url, mail

    def token(
        self,
        tenant: str,
        *,
        email: str | None = None,
        phone: str | None = None,
        key: bytes | None = None,
        contact: str | None = None,
        region: str | None = None,
        scope: str = "*",
        message_id: str = "",
        issued: int | None = None,
    ) -> str:
        """The token of one message, as it is given to the gate. key: of an e-mail address, in place of it.
        issued: seconds; now by default.

        Errors: ValueError when there is not exactly one address, or it is none, or the contact is: a key of the empty
        contact would stand for everybody whose id is missing, and a "no" under it would reach them all.
        UnknownTenantKey.
        """
        if sum(each is not None for each in (email, phone, key)) != 1:
            raise ValueError("exactly one of email, phone and key is needed")
        if contact is not None and not (contact and encodes(contact)):
            raise ValueError("the contact is none: leave it out when it is not known")
        if key is not None and not (is_subject_key(key) and kind_of(key) == "address"):
            raise ValueError("the key is none of an address")
        channel = "email" if phone is None else "sms"
        if key is None:
            canonical = canonical_email(email) if email is not None else canonical_phone(phone or "", region)
            if canonical is None:
                raise ValueError("the address is none")
            key = self._keys.subject(tenant, channel, canonical)
        keys = (key,) if contact is None else (key, self._keys.subject(tenant, "contact", contact))
        at = int(time.time()) if issued is None else issued
        return self._links.mint(Link(tenant, channel, keys, scope, message_id, at))

    def headers(self, token: str) -> dict[str, str]:
        """`unsubscribe_headers` of this sender."""
        return unsubscribe_headers(token, self.base_url, self.mail)
