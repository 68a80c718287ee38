"""A suppression list as a year of use leaves it: one proven grant an address, one in four unsubscribed since.

Rows are made of templates by putting in each its own event ids, for a million must not take minutes. Addresses are
those of `population.Person`.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import Producer

from benchmarks.deployment import Deployment
from benchmarks.population import TENANTS, Person
from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import EMAIL, Fact, Grant, Restriction
from consent_stream.domain.nodes import node
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import standing
from consent_stream.keyfile import load_keys
from consent_stream.wire.control import Partitions, encode_partitions, encode_policy
from consent_stream.wire.keys import HEARTBEAT_KEY, Keyring
from consent_stream.wire.suppression import decode_entry, encode_entry
from consent_stream.wire.topics import CONTROL, EVENTS, SUPPRESSION
from consent_stream.wire.vector import Heartbeat, Point, encode_heartbeat

SCOPE = "news"
TEMPLATES = 200  # of each tenant
DAY = 86_400 * 1_000_000
GRANTED, WITHDRAWN = uuid.UUID(int=1), uuid.UUID(int=2)  # in a template, where an address has its own
BEAT_SECONDS = 0.3  # as the worker does


class Template(NamedTuple):
    """A row without ids of its own, and what the rules answer on it to (marketing, email, SCOPE)."""

    row: bytes
    reasons: tuple[str, ...]


def templates(now: int) -> list[list[Template]]:
    """By tenant; the same `now` gives the same. Units: microseconds."""
    rng = random.Random(5)
    return [[_template(tenant, each, rng, now) for each in range(TEMPLATES)] for tenant in range(TENANTS)]


def _template(tenant: int, number: int, rng: random.Random, now: int) -> Template:
    name, where = f"t{tenant}", node("marketing", "email", SCOPE)
    lo = now - 30 * DAY - rng.randrange(330 * DAY)
    grant = Grant(
        lo, str(GRANTED), "/forms", lo + 730 * DAY, where, 3, (where,), "n1", "3", "", "", "consent.confirmed.v1"
    )
    parts: list[Grant | Restriction] = [grant]
    if number % 4 == 0:
        hi = lo + rng.randrange(30 * DAY)
        parts.append(
            Restriction("unsubscribed", where, False, hi, str(WITHDRAWN), "/mailer", "unsubscribe.oneclick.v1")
        )
    cause = parts[-1].id
    place = rng.randrange(8), rng.randrange(1 << 20)
    fact = Fact(bytes(19), EMAIL, name, cause, "/forms", "x", lo, *place, False, tuple(parts))
    reg = Registers(name, EMAIL)
    reg.apply(fact)
    row = encode_entry(reg, "email", standing(reg, "email", Tenant(), now), fact, rng.randrange(1, 1 << 20))
    said = decide(question("marketing", "email", SCOPE), now, [View(decode_entry(row).registers)], Tenant(), "email")
    return Template(row, said.reasons)


def template_of(n: int, made: list[list[Template]]) -> Template:
    """The template of the row of address number `n`."""
    return made[n % TENANTS][n // TENANTS % TEMPLATES]


def rows(entries: int, keyring: Keyring, made: list[list[Template]]) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each address, in no order."""
    granted, withdrawn = str(GRANTED).encode(), str(WITHDRAWN).encode()
    for n in range(entries):
        person = Person(n)
        own = hashlib.blake2b(n.to_bytes(8, "big"), digest_size=32).digest()
        ids = (str(uuid.UUID(bytes=own[:16], version=4)).encode(), str(uuid.UUID(bytes=own[16:], version=4)).encode())
        row = template_of(n, made).row.replace(granted, ids[0]).replace(withdrawn, ids[1])
        yield keyring.under(keyring.current, person.tenant, "email", person.email), row


def keyring_of(deployment: Deployment) -> Keyring:
    assert deployment.settings.keys is not None
    root = load_keys(deployment.settings.keys)
    return Keyring(root.keys, root.current)


def fill(deployment: Deployment, entries: int, made: list[list[Template]]) -> None:
    """The list with so many rows, and what a worker writes into the control topic."""
    producer = Producer(deployment.settings.producer(**{"compression.type": "lz4", "linger.ms": 20}))
    control = CONTROL.full(deployment.prefix)
    tenants: dict[str, dict[str, str]] = {f"t{number}": {} for number in range(TENANTS)}
    for key, value in (encode_policy(tenants), encode_partitions(Partitions(EVENTS.partitions, _partitions()))):
        producer.produce(control, value, key)
    topic = SUPPRESSION["email"].full(deployment.prefix)
    for key, row in rows(entries, keyring_of(deployment), made):
        while True:
            try:
                producer.produce(topic, row, key)
                break
            except BufferError:
                producer.poll(0.1)
    if left := producer.flush(120):
        raise RuntimeError(f"{left} rows are unproven")


@contextmanager
def beating(deployment: Deployment) -> Iterator[None]:
    """Heartbeats in every partition of the list, as the worker writes them, while the block runs."""
    producer = Producer(deployment.settings.producer(**{"linger.ms": 0}))
    topic, stop = SUPPRESSION["email"].full(deployment.prefix), threading.Event()

    def beat() -> None:
        while True:
            now = time.time_ns() // 1000
            applied = {p: Point(1, now) for p in range(EVENTS.partitions)}
            for q in range(_partitions()):
                value = encode_heartbeat(Heartbeat(q, 0, EVENTS.partitions, now, applied, applied))
                producer.produce(topic, value, HEARTBEAT_KEY, partition=q)
            producer.flush(10)
            if stop.wait(BEAT_SECONDS):
                return

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        yield
    finally:
        stop.set()
        heart.join()


def _partitions() -> int:
    return SUPPRESSION["email"].partitions
