"""A record is folded again from the ledger only where the ledger still holds all that the table knows."""

from __future__ import annotations

from typing import Any

from confluent_kafka import TopicPartition

from consent_stream.domain.facts import Fact
from consent_stream.topology.fold import Folder
from consent_stream.topology.refolding import Refolding
from consent_stream.wire.ledger import encode_fact
from tests.topology.made_up import POLICY, event, facts_of, granted

FACTS = facts_of(event(), granted())  # an unsubscribe, then a yes: the last record alone would allow


class _Message:
    def __init__(self, offset: int, fact: Fact) -> None:
        self._offset, self._fact = offset, fact

    def error(self) -> None:
        return None

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return self._fact.key

    def value(self) -> bytes:
        return encode_fact(self._fact)


class _Ledger:
    """A consumer of one partition whose first facts retention may have taken."""

    def __init__(self, low: int) -> None:
        self._low = self._at = low

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        return self._low, len(FACTS)

    def assign(self, places: list[TopicPartition]) -> None:
        self._at = places[0].offset

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("ledger", 0)]

    def position(self, _: object) -> list[TopicPartition]:
        return [TopicPartition("ledger", 0, self._at)]

    def consume(self, _count: int, _seconds: float) -> list[_Message]:
        found = [_Message(offset, FACTS[offset]) for offset in range(self._at, len(FACTS))]
        self._at = len(FACTS)
        return found


def refolded(low: int) -> tuple[dict[tuple[str, bytes], tuple[int, bytes]], dict[tuple[str, bytes], bytes]]:
    """What comes out of the ledger from `low` on, and what the owner published when it had all of it."""
    key = FACTS[0].key
    live = Folder(POLICY).fold(list(enumerate(FACTS)), [(key, None)])
    facts = Refolding(_Ledger(low), "ledger", 0, {key})  # type: ignore[arg-type]
    facts.read_to(len(FACTS))
    found = facts.entries(Folder(POLICY), lambda keys: [live.rows.get(each) for each in keys])
    return found, {(channel, key): value for channel, key, value in live.entries}


def test_a_whole_ledger_gives_what_the_owner_published():
    found, published = refolded(0)
    assert {about: value for about, (_, value) in found.items()} == published
    assert published


def test_where_the_ledger_has_lost_a_no_nothing_is_told_at_all():
    found, _ = refolded(1)
    assert found == {}
