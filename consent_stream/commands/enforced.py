"""How far consent.events goes, and waiting until that is enforced: `--wait` of the commands that publish."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import click
from confluent_kafka import Consumer, TopicPartition

from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS, SUPPRESSION

TIMEOUT = 10.0  # seconds for one answer of Kafka


def last_offsets(settings: Settings) -> dict[int, int]:
    """The offset of the last record of each partition of `consent.events` that has any. Errors: KafkaException."""
    name = EVENTS.full(settings.topic_prefix)
    consumer = Consumer(settings.consumer(**{"group.id": "ends-unused", "log_level": 0}))  # no group is joined
    try:
        partitions = consumer.list_topics(name, timeout=TIMEOUT).topics[name].partitions
        marks = {
            each: consumer.get_watermark_offsets(TopicPartition(name, each), timeout=TIMEOUT) for each in partitions
        }
    finally:
        consumer.close()
    return {each: high - 1 for each, (low, high) in marks.items() if high > low}


def await_enforced(settings: Settings, furthest: Mapping[int, int], seconds: float) -> None:
    """Return when every list has everything up to `furthest` (partition of consent.events → offset).

    Errors: ClickException, which is exit 1, when one has not within `seconds`.
    """
    from consent_stream.gate import Gate, MemoryReplica  # LMDB and more: not for the many who only publish

    class Rowless(MemoryReplica):
        """How far a list is, without its rows: nobody asks about a person here."""

        def apply(self, rows: Mapping[bytes, bytes], offsets: Mapping[int, int], *more: Any, **named: Any) -> None:
            super().apply({}, offsets, *more, **named)

    deadline = time.monotonic() + seconds
    settings = replace(settings, keys=None)
    with ExitStack() as stack:
        gates = {
            each: stack.enter_context(Gate(settings, channel=each, store=Rowless(), report=False))
            for each in SUPPRESSION
        }
        for channel, gate in gates.items():
            for partition, offset in furthest.items():
                if not gate.wait_for((partition, offset), max(0.0, deadline - time.monotonic())):
                    because = gate.status().trouble
                    late = f"{partition}:{offset} is not enforced in suppression.{channel} within {seconds:g} s"
                    raise click.ClickException(f"{late}: {because}" if because else late)
    click.echo("enforced", err=True)
