"""Quarantined records back to where they came from, as they were: key, value and headers, byte for byte.

A mark comes after the proof and never before: whoever is interrupted puts some back again, which changes nothing twice
(the same id), and hides none that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.control import publish_audit
from consent_stream.inspection.quarantine import Held, destination
from consent_stream.publisher import DELIVERY_MS
from consent_stream.settings import Settings
from consent_stream.wire.marks import AT_ONCE, BEGUN, DROPPED, REPLAYED, Mark, Place, encode_mark


class Returned(NamedTuple):
    """A record that is back, and its receipt there."""

    place: Place
    topic: str
    partition: int
    offset: int


class Signed(NamedTuple):
    """Who does it, and why; at: µs."""

    by: str
    reason: str
    at: int


class PutBack:
    """Sends records and proves them. Errors: KafkaException when Kafka does not take the audit."""

    def __init__(self, settings: Settings, signed: Signed, places: Sequence[Place]) -> None:
        self._settings, self._signed = settings, signed
        _audit(settings, BEGUN, signed, places)
        self._producer = Producer(settings.producer(**{"message.timeout.ms": DELIVERY_MS, "log_level": 0}))

    def put(self, records: Iterable[Held]) -> tuple[list[Returned], KafkaError | None]:
        """Put some back and mark those that are proven; and why one was not, if so.

        Errors: ValueError for one that cannot be put back (`destination`).
        """
        proven: list[tuple[Held, Returned]] = []
        failed: list[KafkaError] = []
        for held in records:
            topic, partition = destination(held, self._settings.topic_prefix)
            report = _report(held, proven, failed)
            while True:
                try:
                    self._producer.produce(
                        topic, held.value, held.key, partition, headers=list(held.headers), on_delivery=report
                    )
                    break
                except BufferError:  # the queue is full
                    self._producer.poll(0.1)
                except KafkaException as error:  # such as one larger than any of ours may be
                    failed.append(error.args[0])
                    break
        self._producer.flush()  # each is proven or refused within its delivery time
        if proven:
            _mark(self._settings, REPLAYED, self._signed, [(held.place, held.written) for held, _ in proven])
        return [returned for _, returned in proven], failed[0] if failed else None


def _report(
    held: Held, proven: list[tuple[Held, Returned]], failed: list[KafkaError]
) -> Callable[[KafkaError | None, Message], None]:
    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error)
        else:
            proven.append((held, Returned(held.place, message.topic(), message.partition(), message.offset())))

    return report


def drop(settings: Settings, signed: Signed, records: Sequence[tuple[Place, int]]) -> None:
    """Mark records, each by its place and when it was written, as done with. Errors: KafkaException."""
    _mark(settings, DROPPED, signed, records)


def _mark(settings: Settings, action: str, signed: Signed, records: Sequence[tuple[Place, int]]) -> None:
    # A mark is of what was written before it, and the worker's clock may be ahead of ours.
    newest = max((written for _, written in records), default=0)
    _audit(settings, action, signed._replace(at=max(signed.at, newest)), [place for place, _ in records])


def _audit(settings: Settings, action: str, signed: Signed, places: Sequence[Place]) -> None:
    pieces = [tuple(places[at : at + AT_ONCE]) for at in range(0, len(places), AT_ONCE)]
    publish_audit(settings, [encode_mark(Mark(action, signed.at, signed.by, signed.reason, each)) for each in pieces])
