"""Amazon SNS over HTTPS: who signed, and when a subscription may be confirmed.

1. The topic must be the configured one, before anything is fetched.
2. The certificate comes from `sns.REGION.amazonaws.com` (of the topic's own region) over HTTPS, by a path as SNS has
   it, and no other place; or from `certificates_dir`. It is kept for a day; failures hold off new tries for a minute.
3. Signature version 1 is SHA1withRSA, 2 is SHA256withRSA, over the members in SNS's order. Source: SNS developer guide,
   "Verifying the signatures of Amazon SNS messages".
4. A confirmed subscription is one whose signed SubscribeURL, on the same host, was got.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from consent_stream.edge.providers.reports import Forged

KEPT_S, HOLD_OFF_S = 86_400, 60
MOST_CERTIFICATES = 8
LARGEST = 64 * 1024  # bytes of a certificate, or of the answer to a confirmation
FETCH_S = 5.0
ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{4,30}):\d{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)
_PEM_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{8,64}\.pem", re.ASCII)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]
_HASHES: Mapping[object, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}
Fetch = Callable[[str], Awaitable[bytes]]


class Unfetched(Exception):
    """A certificate or a confirmation could not be got: the provider should try again."""


def signed_text(message: Mapping[str, Any]) -> bytes:
    """What is signed: name and value of each member, a line each. Errors: Forged."""
    names = _SIGNED.get(str(message.get("Type")))
    if names is None:
        raise Forged
    lines = []
    for name in names:
        value = message.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            raise Forged
        lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode("utf-8", "replace")


class Signatures:
    """Of one topic. fetch: the bytes behind a URL; may raise OSError. Errors of making it: ValueError for no ARN."""

    def __init__(self, topic: str, fetch: Fetch, clock: Callable[[], float], folder: Path | None = None) -> None:
        found = ARN.fullmatch(topic)
        if found is None:
            raise ValueError("no ARN of an SNS topic")
        self.host = f"sns.{found[2]}.amazonaws.com" + (".cn" if found[1] == "aws-cn" else "")
        self._topic, self._fetch, self._clock, self._folder = topic, fetch, clock, folder
        self._kept: dict[str, tuple[float, Certificate]] = {}
        self._failed = -float(HOLD_OFF_S)

    async def check(self, message: Mapping[str, Any]) -> None:
        """Errors: Forged; Unfetched."""
        kind = _HASHES.get(message.get("SignatureVersion"))
        if message.get("TopicArn") != self._topic or kind is None:
            raise Forged
        text = signed_text(message)
        key = (await self._certificate(message.get("SigningCertURL"))).public_key()
        try:
            if not isinstance(key, RSAPublicKey):
                raise Forged
            key.verify(base64.b64decode(str(message.get("Signature")), validate=True), text, PKCS1v15(), kind())
        except (InvalidSignature, binascii.Error, ValueError):
            raise Forged from None

    async def confirm(self, message: Mapping[str, Any]) -> None:
        """Get the SubscribeURL of a checked confirmation. Errors: Forged when it leads elsewhere; Unfetched."""
        url = message.get("SubscribeURL")
        if not isinstance(url, str) or not self._ours(url) or urlsplit(url).path not in ("", "/"):
            raise Forged
        await self._get(url)

    def _ours(self, url: str) -> bool:
        """Plain text on our host by HTTPS: no user, no port, nothing that two parsers could read in two ways."""
        return (
            url.isascii() and url.isprintable() and url.startswith((f"https://{self.host}/", f"https://{self.host}?"))
        )

    async def _certificate(self, url: object) -> Certificate:
        if not isinstance(url, str) or not self._ours(url):
            raise Forged
        path = url.removeprefix(f"https://{self.host}")
        if not _PEM_PATH.fullmatch(path):
            raise Forged
        until, kept = self._kept.get(path, (0.0, None))
        if kept is not None and self._clock() < until:
            return kept
        if self._folder is not None:
            found = self._parsed(_read(self._folder / path.removeprefix("/")))
        elif self._clock() - self._failed < HOLD_OFF_S:
            raise Unfetched
        else:
            found = self._parsed(await self._get(url))
        while len(self._kept) >= MOST_CERTIFICATES:
            self._kept.pop(next(iter(self._kept)))
        self._kept[path] = (self._clock() + KEPT_S, found)
        return found

    def _parsed(self, pem: bytes) -> Certificate:
        try:
            found = load_pem_x509_certificate(pem)
        except ValueError:
            raise Forged from None
        now = datetime.fromtimestamp(self._clock(), UTC)
        if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            raise Forged
        return found

    async def _get(self, url: str) -> bytes:
        try:
            return await self._fetch(url)
        except (OSError, TimeoutError) as error:
            self._failed = self._clock()
            raise Unfetched from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise Forged from None


async def fetched(url: str) -> bytes:
    """By HTTPS with its certificate checked, without redirects. Errors: OSError, TimeoutError."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            body = await response.content.read(LARGEST)
            if response.status != 200:
                raise OSError(f"status {response.status}")
            return body
    except aiohttp.ClientError as error:
        raise OSError(type(error).__name__) from error
