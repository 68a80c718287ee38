"""What the race (P1) is run on: seeded events in a topic, and the state that every engine must reach.

Half of the events fall on few keys (Zipf, exponent 1.2), half are uniform; 5 % are redeliveries. Each of `MILESTONES`
points of every partition also has a key of its own, whose output tells how far an engine is without asking it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import orjson
from confluent_kafka import Producer

from benchmarks.digest import state_digest
from benchmarks.rivals.merge import State, apply

PARTITIONS = 4
MILESTONES = 20
KEYS = 100_000
SEED = 7
EPOCH_MS = 1_764_000_000_000
ACTS = ("consent.granted", "consent.withdrawn", "unsubscribe.oneclick", "preference.set")


@dataclass(frozen=True, slots=True)
class RaceInput:
    """A filled topic. `digest` is the final state by the oracle: `apply`, one event after the other, no engine."""

    topic: str
    events: int
    keys: int
    digest: str


def fill(bootstrap: str, topic: str, events: int) -> RaceInput:
    """Write `events` records to `topic` (it exists, with `PARTITIONS` partitions) and compute the oracle."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 2_000_000,
        }
    )
    states: dict[bytes, State] = {}
    for key, value, partition in records(events):
        producer.produce(topic, key=key, value=value, partition=partition)
        apply(states.setdefault(key, {}), orjson.loads(value))
    if left := producer.flush(120):
        raise RuntimeError(f"{left} records of the input are unproven")
    return RaceInput(topic, events, len(states), state_digest((key, state) for key, state in states.items()))


def records(events: int) -> Iterator[tuple[bytes, bytes, int]]:
    """`events` × (key, JSON value, partition or -1 for murmur2 of the key)."""
    rng = random.Random(SEED)
    plain = events - MILESTONES * PARTITIONS
    if plain < MILESTONES:
        raise ValueError("too few events for the milestones")
    zipf = list(accumulate(rank**-1.2 for rank in range(1, KEYS + 1)))
    due = [plain * step // MILESTONES for step in range(1, MILESTONES + 1)]
    last = (b"", b"")
    for number in range(plain):
        if number == 0 or rng.random() >= 0.05:
            half_zipf = rng.random() < 0.5
            subject = rng.choices(range(KEYS), cum_weights=zipf)[0] if half_zipf else rng.randrange(KEYS)
            last = (f"{subject:032x}".encode(), _event(rng, number, subject))
        yield (*last, -1)
        while due and number + 1 == due[0]:
            due.pop(0)
            for partition in range(PARTITIONS):
                key = f"milestone-{MILESTONES - len(due)}-{partition}".encode()
                yield key, _event(rng, number, 0), partition


def milestone(key: bytes) -> int | None:
    """The step (1 … MILESTONES) that `key` marks, or None for a subject's key."""
    return int(key.split(b"-")[1]) if key.startswith(b"milestone-") else None


def _event(rng: random.Random, number: int, subject: int) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"e{number:09d}",
            "source": "bench",
            "type": f"org.example.{rng.choice(ACTS)}.v1",
            "time": EPOCH_MS + number * 10 - rng.randrange(100_000),
            "tenant": f"t{subject % 50}",
            "subject": f"{subject:032x}",
            "data": {
                "channel": "email" if rng.random() < 0.7 else "sms",
                "scope": f"topic{rng.randrange(5)}",
                "purpose": "marketing",
                "notice": {"id": "n1", "version": 3},
                "origin": "form",
                "actor": "person",
            },
        }
    )
