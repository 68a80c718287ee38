"""Putting back: the audit knows of it first, and no record is marked that is not proven to be back."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream import putback
from consent_stream.inspection.quarantine import Held, held
from consent_stream.putback import PutBack, Signed, drop
from consent_stream.settings import Settings
from consent_stream.wire.marks import AT_ONCE, BEGUN, DROPPED, REPLAYED, decode_mark
from consent_stream.wire.records import error_headers
from tests.topology.made_up import NOON

SIGNED = Signed("kim", "mended", NOON)


class Kafka:
    """Takes records but those whose value is `no`; the audit beside it. said: all of it, in order."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.full = 0  # how often the queue is full
        self._open: list[tuple[Callable[..., None], bytes, str]] = []

    def producer(self, _settings: dict[str, Any]) -> Kafka:
        return self

    def audit(self, _settings: Settings, records: list[bytes]) -> int:
        self.said += [mark and (mark.action, mark.places, mark.at) for mark in map(decode_mark, records)]
        return 0

    def produce(
        self, topic: str, value: bytes, key: bytes | None, partition: int, *, headers: Any, on_delivery: Any
    ) -> None:
        if self.full:
            self.full -= 1
            raise BufferError
        if value == b"huge":
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        self.said.append((topic, partition, key, value, headers))
        self._open.append((on_delivery, value, topic))

    def poll(self, _seconds: float) -> None:
        pass

    def flush(self) -> int:
        for number, (report, value, topic) in enumerate(self._open):
            error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED) if value == b"no" else None
            message = SimpleNamespace(topic=lambda t=topic: t, partition=lambda: 1, offset=lambda n=number: n)
            report(error, message)
        self._open = []
        return 0


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    found = Kafka()
    monkeypatch.setattr(putback, "Producer", found.producer)
    monkeypatch.setattr(putback, "publish_audit", found.audit)
    return found


def record(offset: int, value: bytes, written: int = NOON, topic: str = "consent.events") -> Held:
    headers = [("to", b"x"), *error_headers("no_tenant", "intake", (topic, 2, 9))]
    return held((0, offset), written, b"key", value, tuple(headers))


def test_what_was_proven_is_marked_and_nothing_else(kafka: Kafka) -> None:
    back = PutBack(Settings(), SIGNED, [(0, 1), (0, 2), (0, 3)])
    kafka.full = 2
    returned, failed = back.put([record(1, b"a"), record(2, b"no"), record(3, b"b"), record(4, b"huge")])
    assert [each.place for each in returned] == [(0, 1), (0, 3)]
    assert failed is not None
    assert kafka.said == [
        (BEGUN, ((0, 1), (0, 2), (0, 3)), NOON),
        ("consent.events", -1, b"key", b"a", [("to", b"x")]),
        ("consent.events", -1, b"key", b"no", [("to", b"x")]),
        ("consent.events", -1, b"key", b"b", [("to", b"x")]),
        (REPLAYED, ((0, 1), (0, 3)), NOON),
    ]


def test_where_nothing_is_taken_nothing_is_marked(kafka: Kafka) -> None:
    returned, failed = PutBack(Settings(), SIGNED, [(0, 1)]).put([record(1, b"no")])
    assert (returned, failed and failed.code()) == ([], KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert [each[0] for each in kafka.said] == [BEGUN, "consent.events"]


def test_a_fact_goes_to_its_own_partition(kafka: Kafka) -> None:
    PutBack(Settings(), SIGNED, []).put([record(1, b"a", topic="consent.ledger")])
    assert kafka.said[0][:2] == ("consent.ledger", 2)


def test_a_mark_is_of_the_record_also_where_the_workers_clock_is_ahead(kafka: Kafka) -> None:
    drop(Settings(), SIGNED, [((0, 1), NOON + 7), ((0, 2), NOON)])
    assert kafka.said == [(DROPPED, ((0, 1), (0, 2)), NOON + 7)]


def test_many_marks_are_several_records(kafka: Kafka) -> None:
    drop(Settings(), SIGNED, [((0, offset), NOON) for offset in range(AT_ONCE + 1)])
    assert [len(each[1]) for each in kafka.said] == [AT_ONCE, 1]
