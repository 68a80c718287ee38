"""What P2 is run on: `consent.events` filled once, read back with the broker's append times, and its oracle."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Producer

from benchmarks.deployment import Deployment
from benchmarks.oracle import Given, fold
from benchmarks.population import POLICY, instant, records
from benchmarks.topics import read_all
from consent_stream.domain.policy import Policy, read_policy
from consent_stream.domain.registers import Registers
from consent_stream.keyfile import load_keys
from consent_stream.wire.keys import Keyring
from consent_stream.wire.topics import EVENTS


@dataclass(frozen=True, slots=True)
class ProductInput:
    """`registers`: the oracle's final state; `received`: append times by (partition, offset), microseconds."""

    events: int
    policy: Policy
    registers: Mapping[bytes, Registers]
    received: Mapping[tuple[int, int], int]


def fill(deployment: Deployment, events: int, people: int) -> ProductInput:
    """Write the population's events to the deployment's `consent.events` (it exists, empty) and fold the oracle."""
    topic = EVENTS.full(deployment.prefix)
    producer = Producer(deployment.settings.producer(**{"compression.type": "lz4", "linger.ms": 20}))
    for number, value in enumerate(records(events, people, instant())):
        while True:
            try:
                producer.produce(topic, value, partition=number % EVENTS.partitions)
                break
            except BufferError:  # the queue is full: let some of it go out
                producer.poll(0.1)
    if left := producer.flush(120):
        raise RuntimeError(f"{left} events are unproven")
    policy = read_policy(tomllib.loads(POLICY))
    roots = load_keys(deployment.folder / "keys.toml")
    received: dict[tuple[int, int], int] = {}
    found = _noting(_read(deployment.bootstrap, topic), received)
    registers = fold(found, policy, Keyring(roots.keys, roots.current))
    return ProductInput(events, policy, registers, received)


def _read(bootstrap: str, topic: str) -> Iterator[Given]:
    for message in read_all(bootstrap, topic, EVENTS.partitions):
        yield Given(message.partition(), message.offset(), message.timestamp()[1] * 1000, message.value())


def _noting(events: Iterator[Given], received: dict[tuple[int, int], int]) -> Iterator[Given]:
    for given in events:
        received[given.partition, given.offset] = given.received
        yield given
