"""The press itself: a one-click unsubscribe at an edge, or, where none is named, the event that an edge would send.

The addresses are few, fixed, and at a name that no mail reaches (`.invalid`, RFC 2606). What stands of them is one
restriction each, whose time alone moves on: rows, lists and stores do not grow. The ledger takes one fact a press.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import NamedTuple

import orjson
from confluent_kafka import KafkaException

from consent_stream.domain.addresses import canonical_email
from consent_stream.links import POST, Sender, unsubscribe_url
from consent_stream.publisher import Publisher, Unproven
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring

ADDRESSES = tuple(f"canary-{number}@consent-stream.invalid" for number in range(8))
PROGRAM = "canary"
SOURCE = "/canary"
TIMEOUT = 15.0  # seconds for an answer of the edge; it answers from its disk after three where Kafka is away
AGED = 3600  # seconds that a link pretends to be old: one that is pressed at once looks like a scanner's
Press = Callable[[bytes], "Pressed"]


class Pressed(NamedTuple):
    """place: in consent.events, where that is known at once. trouble: why it was not taken, in one line."""

    place: tuple[int, int] | None = None
    trouble: str | None = None


def keys_of(keyring: Keyring, tenant: str) -> list[bytes]:
    """Subject keys of the addresses. Errors: UnknownTenantKey."""
    found = [canonical_email(address) for address in ADDRESSES]
    return [keyring.subject(tenant, "email", each) for each in found if each is not None]


def at_edge(keyring: Keyring, tenant: str, base_url: str) -> Press:
    """Presses the button of a fresh link, as a mail program does (RFC 8058 §3.2)."""
    sender = Sender(keyring, base_url)

    def press(key: bytes) -> Pressed:
        token = sender.token(tenant, key=key, scope=PROGRAM, issued=int(time.time()) - AGED)
        request = urllib.request.Request(unsubscribe_url(token, base_url), POST.encode(), method="POST")
        request.add_header("Content-Type", "application/x-www-form-urlencoded")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return Pressed(trouble=None if answer.status == 200 else f"the edge answered {answer.status}")
        except urllib.error.HTTPError as error:
            with error:
                return Pressed(trouble=f"the edge answered {error.code}")
        except (OSError, ValueError) as error:  # the address of the link is in none of their texts
            return Pressed(trouble=f"no answer of the edge: {getattr(error, 'reason', error)}")

    return press


def in_kafka(settings: Settings, tenant: str) -> Press:
    """Sends the event itself to consent.events."""
    publisher = Publisher(settings)

    def press(key: bytes) -> Pressed:
        data = {"keys": [key.hex()], "channel": "email", "scope": PROGRAM}
        event = {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "source": SOURCE,
            "type": "unsubscribe.oneclick.v1",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "tenant": tenant,
            "datacontenttype": "application/json",
            "data": data,
        }
        try:
            publisher.send(1, orjson.dumps(event))
            (receipt,) = publisher.rest()
        except Unproven as error:
            return Pressed(trouble=str(error))
        except KafkaException as error:
            return Pressed(trouble=str(error.args[0]))
        return Pressed((receipt.partition, receipt.offset))

    return press
