"""A question to the topics themselves: which keys it concerns, and everything that its answer is read from."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import KafkaException

from consent_stream.gate.question import subjects
from consent_stream.inspection.gatereports import read_reports
from consent_stream.inspection.history import Tell, read_history
from consent_stream.inspection.late import Case
from consent_stream.inspection.topicread import Unread
from consent_stream.inspection.why import Notices, explain_chain
from consent_stream.inspection.whychain import Chain
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation, read_control
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import KEYS, decode_keys, named
from consent_stream.wire.keys import Keyring, UnknownTenantKey, is_subject_key, kind_of
from consent_stream.wire.topics import CONTROL


class Asked(NamedTuple):
    """Who and what is meant, as somebody types it: an address, a contact, or both; or subject keys in hex."""

    tenant: str
    channel: str
    email: str | None = None
    phone: str | None = None
    contact: str | None = None
    keys: tuple[str, ...] = ()
    region: str | None = None
    purpose: str = "marketing"
    scope: str = "*"

    def __repr__(self) -> str:  # no address, no contact
        return f"<Asked of {self.tenant}: {self.purpose}, scope {self.scope}>"


class NoKey(Exception):
    """What was given leads to no subject key. The text is one line without any address."""


def case_for(asked: Asked, keyring: Keyring | None) -> tuple[Case, list[str]]:
    """The question by subject keys, and why that may not be all of the person. Errors: NoKey."""
    cautions = []
    own = [_key(text) for text in asked.keys]
    bases: tuple[bytes, ...] = ()
    channel = "" if asked.channel == "sharing" else asked.channel
    if own and keyring is not None and {key[2] for key in own} != set(keyring.kids):
        cautions.append(
            "several key ids are live: of a key given in hex, what stands under the others is not looked at"
        )
    if asked.email is not None or asked.phone is not None:
        found = subjects(keyring)(asked.tenant, asked.email, asked.phone, None, asked.contact, asked.region)
        if found.fault == "unknown_tenant_key":
            raise NoKey("there is no key material for that tenant: --keys")
        own += found.keys
        bases, channel = found.bases, found.channel
    elif asked.contact is not None:
        if keyring is None:
            raise NoKey("a contact cannot be looked up without the root key file: --keys")
        try:
            own += keyring.all(asked.tenant, "contact", asked.contact)
        except (UnknownTenantKey, UnicodeEncodeError) as error:
            raise NoKey("there is no key material for that tenant, or this is no contact") from error
    addresses = [key for key in own if kind_of(key) == "address"]
    bare = bool(asked.keys) and bool(addresses)
    if not addresses and own:
        cautions.append("only a contact was given: what is known of the addresses alone does not count here")
    keys = tuple(dict.fromkeys(own))
    return Case(asked.tenant, asked.channel, asked.purpose, asked.scope, keys, bases, channel, bare), cautions


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not is_subject_key(key):
        raise NoKey("a subject key has 38 hex digits and begins with 0161 (address) or 0163 (contact)")
    return key


def read_why(
    settings: Settings,
    case: Case,
    *,
    at: int | None = None,
    known_at: int | None = None,
    notices: Notices | None = None,
    cautions: Iterable[str] = (),
    seconds: float = 10.0,
    tell: Tell = lambda *_: None,
) -> Chain:
    """The chain behind an answer; arguments as of `explain_chain` and `read_history`. Errors: Unread."""
    history = read_history(settings, (*case.keys, *case.bases), seconds=seconds, tell=tell)
    reports = list(read_reports(settings))
    now = time.time_ns() // 1000
    return explain_chain(
        history, case, now=now, at=at, known_at=known_at, notices=notices, reports=reports, cautions=cautions
    )


def check_keys(settings: Settings, keyring: Keyring) -> None:
    """Refuse keys that are not those the topics are written with: nothing would be found. Errors: NoKey, Unread."""
    try:
        told = read_control(settings).get(named(KEYS, active_generation(settings)))
        other = [] if told is None else keyring.differing(decode_keys(told))
    except (Unreachable, WireError) as error:
        raise Unread(str(error)) from error
    except KafkaException as error:
        raise Unread(f"topic {CONTROL.full(settings.topic_prefix)}: {error.args[0].str()}") from error
    if other:
        raise NoKey(f"key {', '.join(other)} is not the one that these topics are written with: another key file")
