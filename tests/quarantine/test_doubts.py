"""The alarm of quarantined withdrawals: open until marked, in whatever order the two topics come."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from types import SimpleNamespace
from typing import Any, NamedTuple

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry, generate_latest

from consent_stream.settings import Settings
from consent_stream.topology import doubts
from consent_stream.topology.doubts import AGE, COUNT, Doubts, DoubtsWatch
from consent_stream.wire.marks import DROPPED, Mark, encode_mark
from consent_stream.wire.records import error_headers
from tests.topology.made_up import NOON, event, granted

S = 1_000_000


def dropped(*places: tuple[int, int], at: int = NOON + 60 * S) -> bytes:
    return encode_mark(Mark(DROPPED, at, "kim", "looked at", places))


def figures(found: Doubts) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(found)
    lines = generate_latest(registry).decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}


def followed(now: int = NOON + 1000 * S) -> Doubts:
    found = Doubts(lambda: now / 1e6)
    found.told = True
    return found


def test_the_oldest_that_nobody_has_looked_at_is_told() -> None:
    found = followed()
    assert figures(found) == {AGE: 0.0, COUNT: 0.0}
    found.note((0, 1), NOON, True)
    found.note((1, 1), NOON + 10 * S, True)
    found.note((1, 2), NOON - 10 * S, False)
    assert figures(found) == {AGE: 1000.0, COUNT: 2.0}
    found.mark(dropped((0, 1)))
    assert figures(found) == {AGE: 990.0, COUNT: 1.0}
    found.mark(dropped((1, 1)))
    assert figures(found) == {AGE: 0.0, COUNT: 0.0}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order_of_records_and_marks_leaves_the_same(order: tuple[int, ...]) -> None:
    found = followed()
    steps: list[Any] = [
        lambda: found.note((0, 1), NOON, True),
        lambda: found.note((0, 2), NOON + S, True),
        lambda: found.mark(dropped((0, 1))),
        lambda: found.mark(dropped((0, 2), at=NOON)),  # of what stood there in a topic that is no more
    ]
    for each in order:
        steps[each]()
    assert figures(found) == {AGE: 999.0, COUNT: 1.0}


def test_nothing_is_told_by_whom_it_is_not_the_turn() -> None:
    found = Doubts()
    found.note((0, 1), NOON, True)
    assert figures(found) == {}


def test_what_is_remembered_is_bounded_and_the_rest_is_looked_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "MOST", 3)
    found = followed()
    for offset in range(5):
        found.note((0, offset), NOON + offset * S, True)
    assert figures(found) == {AGE: 1000.0, COUNT: 3.0}
    assert not found.exhausted
    found.mark(dropped((0, 0), (0, 1), (0, 2)))
    assert found.exhausted


def test_what_retention_took_is_no_alarm() -> None:
    found = followed()
    for place in ((0, 1), (0, 2), (1, 1)):
        found.note(place, NOON, True)
    found.gone(0, 2)
    assert figures(found)[COUNT] == 2.0


# -- the watch, over topics in memory


class Message:
    def __init__(self, topic: str, offset: int, value: bytes | None, headers: Any = (), written: int = NOON) -> None:
        self._said = topic, offset, value, list(headers), written

    def error(self) -> KafkaError | None:
        return None

    def topic(self) -> str:
        return self._said[0]

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._said[1]

    def value(self) -> bytes | None:
        return self._said[2]

    def headers(self) -> Any:
        return self._said[3]

    def timestamp(self) -> tuple[int, int]:
        return 1, self._said[4] // 1000


class Broker:
    """Both topics, of one partition each; a consumer of them, and what it was asked."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Message]] = {"consent.quarantine": [], "consent.audit": []}
        self.at: dict[str, int] = {}
        self.open = 0
        self.refuses: KafkaError | None = None

    def consumer(self, _settings: dict[str, Any]) -> Broker:
        self.open, self.at = self.open + 1, {}
        return self

    def close(self) -> None:
        self.open -= 1

    def list_topics(self, name: str, timeout: float) -> Any:
        return SimpleNamespace(topics={name: SimpleNamespace(error=self.refuses, partitions=(0,))})

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        return 0, len(self.topics[place.topic])

    def position(self, places: list[Any]) -> list[Any]:
        for place in places:
            place.offset = self.at[place.topic] or -1001
        return places

    def incremental_assign(self, places: list[Any]) -> None:
        self.at |= {place.topic: place.offset for place in places}

    def consume(self, most: int, _wait: float) -> list[Message]:
        found = [each for name, at in self.at.items() for each in self.topics[name][at:]][:most]
        for each in found:
            self.at[each.topic()] += 1
        return found

    def quarantine(self, value: bytes, code: str, written: int = NOON) -> None:
        log = self.topics["consent.quarantine"]
        headers = error_headers(code, "intake", ("consent.events", 0, 9))
        log.append(Message("consent.quarantine", len(log), value, headers, written))

    def audit(self, value: bytes) -> None:
        log = self.topics["consent.audit"]
        log.append(Message("consent.audit", len(log), value))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    monkeypatch.setattr(doubts, "Consumer", found.consumer)
    return found


def test_marks_of_before_are_known_before_the_first_record_is_told(broker: Broker) -> None:
    lost = {name: each for name, each in event().items() if name != "tenant"}
    broker.quarantine(orjson.dumps(lost), "no_tenant")
    broker.quarantine(orjson.dumps({**granted(), "source": "/rogue"}), "unknown_source")
    broker.quarantine(b"unsubscribe", "not_cloudevent", NOON + S)
    broker.audit(b'{"action":"sending.stopped"}')
    broker.audit(dropped((0, 0)))
    found = Doubts(lambda: (NOON + 1000 * S) / 1e6)
    watch = DoubtsWatch(None, Settings(), found)  # type: ignore[arg-type]
    watch._look()
    watch._look()
    assert figures(found) == {AGE: 999.0, COUNT: 1.0}
    broker.audit(dropped((0, 2)))
    watch._look()
    assert figures(found) == {AGE: 0.0, COUNT: 0.0}
    watch._rest()
    assert figures(found) == {}
    assert broker.open == 0


def test_where_it_may_not_read_nothing_is_told(broker: Broker) -> None:
    broker.refuses = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    found = Doubts()
    watch = DoubtsWatch(None, Settings(), found)  # type: ignore[arg-type]
    with pytest.raises(KafkaException):
        watch._look()
    watch._rest()
    assert figures(found) == {}
    assert broker.open == 0


def test_it_begins_anew_when_all_that_it_remembered_is_done_with(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "MOST", 1)
    broker.quarantine(b"unsubscribe", "not_cloudevent")
    broker.quarantine(b"unsubscribe", "not_cloudevent", NOON + S)
    found = Doubts(lambda: (NOON + 1000 * S) / 1e6)
    watch = DoubtsWatch(None, Settings(), found)  # type: ignore[arg-type]
    watch._look()
    watch._look()
    assert figures(found) == {AGE: 1000.0, COUNT: 1.0}
    broker.audit(dropped((0, 0)))
    for _ in range(4):
        watch._look()
    assert figures(found) == {AGE: 999.0, COUNT: 1.0}
    assert broker.open == 1


@pytest.mark.parametrize(
    ("code", "said"), [(KafkaError.TOPIC_AUTHORIZATION_FAILED, True), (KafkaError._TRANSPORT, False)]
)
def test_why_it_is_not_watched_is_said_where_nobody_else_says_it(
    code: int, said: bool, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    app, turns = App(), []
    broker.refuses = KafkaError(code)

    async def sleep(_seconds: float) -> None:
        turns.append(len(caplog.records))
        app.should_stop = len(turns) == 3

    app.sleep = sleep
    watch = DoubtsWatch(app, Settings(), Doubts())  # type: ignore[arg-type]
    asyncio.run(watch.run())
    assert [record.getMessage().startswith("quarantine is not watched: ") for record in caplog.records] == [True] * said
    assert broker.open == 0


def test_only_the_worker_with_the_first_partition_watches(broker: Broker) -> None:
    app, found, told = App(), Doubts(), []
    broker.quarantine(b"unsubscribe", "not_cloudevent")

    async def sleep(_seconds: float) -> None:
        told.append(set(figures(found)))
        app.owned = [TP("consent.events", 1)] if len(told) >= 3 else app.owned
        app.should_stop = len(told) == 5

    app.sleep = sleep
    watch = DoubtsWatch(app, Settings(), found)  # type: ignore[arg-type]
    asyncio.run(watch.run())
    assert told[2:] == [{AGE, COUNT}, set(), set()]
    assert broker.open == 0


class TP(NamedTuple):
    topic: str
    partition: int


class App:
    """What of the app is used."""

    def __init__(self) -> None:
        self.should_stop = False
        self.owned = [TP("consent.events", 0), TP("consent.events", 1)]
        self.threads = ThreadPoolExecutor(1)
        self.sleep: Any = None

    def positions(self) -> dict[TP, None]:
        return dict.fromkeys(self.owned)
