"""Taking back what a bad file permitted: one void under each key that has a grant of its batch (RULES §5).

The keys come from `consent.ledger` and not from the file: it knows what was admitted, from which file ever, under all
key ids, and no plain address is sent. Restrictions of the file stay: a void concerns grants alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consent_stream.domain.facts import CHANNEL_MASK, Grant
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import SUBJECT_KEY_BYTES
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.topics import LEDGER

FETCH = 5000
LOOK = 0.1  # seconds; `consume` waits as long for FETCH messages, and at the end of a topic there are none
WAIT = 10.0  # seconds for Kafka to say something
_CHANNEL = {mask: channel for channel, mask in CHANNEL_MASK.items()}
Seen = Callable[[int, int], None]  # records read, of how many


class Voidable(NamedTuple):
    """A key with a grant of the batch; channel: of its address, None for a contact or one that is not known."""

    key: bytes
    channel: str | None


def find_keys(settings: Settings, tenant: str, batch: str, generation: int, seen: Seen) -> list[Voidable]:
    """The keys of one tenant that have a grant of a batch, in the order in which the ledger tells of them.

    Reads the ledger from end to end: what is appended later is not seen. Errors: KafkaException; WireError for a record
    that cannot be read and names the batch.
    """
    mark = batch.encode()
    found: dict[bytes, Voidable] = {}
    for key, value in _ledger(settings, generation, seen):
        if value is None or mark not in value:  # most are not of it, and are not decoded
            continue
        try:
            fact = decode_fact(key, value)
        except WireError:
            if key is not None and len(key) == SUBJECT_KEY_BYTES:
                raise
            continue  # no key of ours: no gate asks for it
        if fact.tenant == tenant and any(isinstance(part, Grant) and part.batch == batch for part in fact.parts):
            found[fact.key] = Voidable(fact.key, _CHANNEL.get(fact.channels))
    return list(found.values())


def void_event(voidable: Voidable, tenant: str, source: str, batch: str) -> bytes:
    """The event that voids a batch under one key. The same key and batch make the same event."""
    data: dict[str, object] = {"keys": [voidable.key.hex()], "voids": [f"batch:{batch}"]}
    if voidable.channel in ("email", "sms"):  # or the key would from now on stand for an address of either
        data["channel"] = voidable.channel
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"void:{hashlib.sha256(batch.encode()).hexdigest()[:16]}:{voidable.key.hex()}",
            "source": source,
            "type": "consent.invalidated.v1",
            "tenant": tenant,
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def _ledger(settings: Settings, generation: int, seen: Seen) -> Iterator[tuple[bytes | None, bytes | None]]:
    name = LEDGER.full(settings.topic_prefix, generation)
    over = {"group.id": "void-unused", "enable.partition.eof": True, "log_level": 0}  # no group is joined
    consumer = Consumer(settings.consumer(**over))
    try:
        partitions = consumer.list_topics(name, timeout=WAIT).topics[name].partitions
        marks = {each: consumer.get_watermark_offsets(TopicPartition(name, each), timeout=WAIT) for each in partitions}
        total, read = sum(high - low for low, high in marks.values()), 0
        consumer.assign([TopicPartition(name, each, low) for each, (low, _) in marks.items()])
        left, heard = set(marks), time.monotonic()
        while left:
            messages = consumer.consume(FETCH, LOOK)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > WAIT:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{name}: nothing came for {WAIT:.0f} s"))
            for message in messages:
                error = message.error()
                if error is None:
                    read += 1
                    yield message.key(), message.value()
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise KafkaException(error)
            seen(read, total)
    finally:
        consumer.close()
