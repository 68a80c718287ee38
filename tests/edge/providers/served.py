"""An edge in this process with the rooms of providers, a door in memory, and what each provider signs with."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from consent_stream.domain.policy import read_policy
from consent_stream.edge import providers
from consent_stream.edge.config import Config
from consent_stream.edge.edge import Edge
from consent_stream.edge.providers.twilio import signature
from consent_stream.http.app import build_app
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring
from tests.edge.doors import MemoryDoor

SAMPLES = Path(__file__).parent / "samples"
SECRET = "a-secret-of-tests-alone"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-events"
CERTIFICATE = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
HOST = "https://sns.eu-west-1.amazonaws.com"
BASE = "https://consent.example.com"
EC_KEY = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
PROGRAMS = {"12345": "news", "news-topic": "news", "broadcast": "news"}


def sample(name: str) -> Any:
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


def certificate(folder: Path, days: int = 1, key: rsa.RSAPrivateKey = RSA_KEY) -> None:
    """As SNS has it, of tests' own."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=30)).not_valid_after(now + timedelta(days=days))
        .sign(key, SHA256())
    )  # fmt: skip
    (folder / CERTIFICATE).write_bytes(made.public_bytes(Encoding.PEM))


def configured(folder: Path) -> dict[str, Any]:
    public = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    shared = {"tenant": "acme", "programs": PROGRAMS}
    return {
        "providers": {
            "ses": {"kind": "ses", "topic": TOPIC, "certificates_dir": str(folder), **shared},
            "sendgrid": {"kind": "sendgrid", "public_key": base64.b64encode(public).decode(), **shared},
            "mailgun": {"kind": "mailgun", "signing_key_env": "SECRET", **shared},
            "postmark": {"kind": "postmark", "user": "hook", "password_env": "SECRET", **shared},
            "twilio": {"kind": "twilio", "auth_token_env": "SECRET", **shared},
            "mail": {"kind": "mail", "secret_env": "SECRET", **shared},
        },
        "sms": {
            "twilio": {"kind": "twilio", "auth_token_env": "SECRET", "tenant": "acme"},
            "json": {"kind": "json", "secret_env": "SECRET", "tenant": "acme"},
        },
    }


class Site:
    """`ask` serves one request of its own loop: each test is a plain function."""

    def __init__(self, folder: Path) -> None:
        certificate(folder)
        self.door, self.now = MemoryDoor(), time.time_ns() // 1000
        self.edge = Edge(
            settings=Settings(), config=Config(configured(folder), {"SECRET": SECRET}), keys=Keyring({0: bytes(32)}),
            policy=read_policy({"tenants": {"acme": {}}}), door=self.door, clock=lambda: self.now, base_url=BASE,
        )  # fmt: skip
        self._routes = providers.routes(self.edge)

    def ask(self, path: str, body: bytes, headers: Mapping[str, str] = {}) -> int:
        async def asked() -> int:
            server = TestServer(build_app(self.edge, self._routes))
            async with TestClient(server) as client, client.post(path, data=body, headers=dict(headers)) as response:
                return response.status

        return asyncio.run(asked())

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of what went through the door."""
        return [(each["type"].removesuffix(".v1"), each["data"]) for each in self.door.taken]

    @property
    def seconds(self) -> int:
        return self.now // 1_000_000

    def count(self, endpoint: str, result: str) -> float:
        labels = {"endpoint": endpoint, "result": result}
        return self.edge.metrics.registry.get_sample_value("consent_edge_reports_total", labels) or 0.0

    # -- what each provider sends

    def sendgrid(self, entries: object, at: int | None = None) -> tuple[str, bytes, dict[str, str]]:
        body, stamp = orjson.dumps(entries), str(self.seconds if at is None else at)
        signed = base64.b64encode(EC_KEY.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
        names = ("X-Twilio-Email-Event-Webhook-Timestamp", "X-Twilio-Email-Event-Webhook-Signature")
        return "/providers/sendgrid", body, dict(zip(names, (stamp, signed), strict=True))

    def mailgun(self, entry: object, token: str = "t" * 50, at: int | None = None) -> tuple[str, bytes, dict[str, str]]:
        stamp = str(self.seconds if at is None else at)
        signed = hmac.digest(SECRET.encode(), f"{stamp}{token}".encode(), "sha256").hex()
        said = {"signature": {"timestamp": stamp, "token": token, "signature": signed}, "event-data": entry}
        return "/providers/mailgun", orjson.dumps(said), {}

    def postmark(self, entry: object, password: str = SECRET) -> tuple[str, bytes, dict[str, str]]:
        said = base64.b64encode(f"hook:{password}".encode()).decode()
        return "/providers/postmark", orjson.dumps(entry), {"Authorization": f"Basic {said}"}

    def twilio(self, fields: Mapping[str, str], path: str = "/providers/twilio") -> tuple[str, bytes, dict[str, str]]:
        said = signature(SECRET.encode(), BASE + path, list(fields.items()))
        form = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": said.decode()}
        return path, urlencode(fields).encode(), form

    def mail(self, raw: bytes, secret: str = SECRET) -> tuple[str, bytes, dict[str, str]]:
        return "/providers/mail", raw, {"Authorization": f"Bearer {secret}", "Content-Type": "message/rfc822"}

    def sns(
        self, told: object, version: str = "2", at: int | None = None, **over: str
    ) -> tuple[str, bytes, dict[str, str]]:
        moment = datetime.fromtimestamp(self.seconds if at is None else at, UTC).isoformat(timespec="milliseconds")
        message = {
            "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
            "Message": json.dumps(told), "Timestamp": moment.replace("+00:00", "Z"), "SignatureVersion": version,
            "SigningCertURL": f"{HOST}/{CERTIFICATE}", **over,
        }  # fmt: skip
        names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        signed = RSA_KEY.sign(text.encode(), padding.PKCS1v15(), SHA256() if version == "2" else SHA1())
        return "/providers/ses", orjson.dumps(message | {"Signature": base64.b64encode(signed).decode()}), {}
