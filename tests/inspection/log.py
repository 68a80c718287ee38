"""The topics as a worker would fill them, in memory: events in, every record out, and a reader of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from consent_stream.domain.policy import Policy
from consent_stream.inspection import history
from consent_stream.inspection.history import History, read_history
from consent_stream.inspection.placement import partition_of
from consent_stream.inspection.settled import Settled
from consent_stream.settings import Settings
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.control import Partitions
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.send import Send, encode_send
from consent_stream.wire.topics import CHANGES, LEDGER, SENDS, STATE, SUPPRESSION, Topic
from tests.topology.made_up import KEYS, POLICY

COUNT = 4


@dataclass
class Record:
    """What of a message of Kafka is looked at."""

    k: bytes | None
    v: bytes | None
    p: int
    o: int
    written: int  # µs

    def key(self) -> bytes | None:
        return self.k

    def value(self) -> bytes | None:
        return self.v

    def partition(self) -> int:
        return self.p

    def offset(self) -> int:
        return self.o

    def timestamp(self) -> tuple[int, int]:
        return 1, self.written // 1000


@dataclass
class Log:
    """Topics of four partitions each. Events are taken in and folded one by one."""

    policy: Policy = POLICY
    keys: Keyring = KEYS
    topics: dict[str, dict[int, list[Record]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    looked_at: list[tuple[str, int]] = field(default_factory=list)
    events: int = 0
    through: int = 1 << 60

    def __post_init__(self) -> None:
        self.folder, self.rows = Folder(self.policy), dict[bytes, bytes]()

    def add(self, event: Mapping[str, Any], received: int) -> int:
        """One event, accepted at an instant (µs), and all that follows from it; how many facts it made."""
        place = (self.events % 2, self.events // 2)
        self.events += 1
        taken = take_in(orjson.dumps(event), received, place, self.policy, self.keys.subject)
        waiting = [(fact.key, encode_fact(fact)) for fact in taken.facts]
        while waiting:
            key, value = waiting.pop(0)
            offset = self.write(LEDGER, key, value, received)
            effects = self.folder.fold([(offset, decode_fact(key, value))], [(key, self.rows.get(key))])
            self.rows |= effects.rows
            for of, row in effects.rows.items():
                self.write(STATE, of, row, received)
            for channel, of, entry in effects.entries:
                self.write(SUPPRESSION[channel], of, entry, received)
            for of, change in effects.changes:
                self.write(CHANGES, of, change, received)
            waiting += effects.derived
        return len(taken.facts)

    def send(self, send: Send) -> None:
        self.write(SENDS, send.keys[0], encode_send(send), send.ended)

    def write(self, topic: Topic, key: bytes, value: bytes | None, written: int) -> int:
        """A record at the end of its key's partition; its offset."""
        p = partition_of(key, COUNT)
        records = self.topics[topic.full()][p]
        records.append(Record(key, value, p, len(records), written))
        return len(records) - 1

    def read(
        self,
        settings: Settings,
        topic: Topic,
        generation: int = 0,
        *,
        least: Mapping[int, int] = {},
        only: Callable[[int], Container[int]] | None = None,
        told: Callable[[int, int], None] | None = None,
    ) -> Iterator[list[Record]]:
        """As `topicread.read`, of these topics."""
        for p, records in sorted(self.topics[topic.full()].items()):
            if only is None or p in only(COUNT):
                self.looked_at.append((topic.full(), p))
                if told is not None:
                    told(len(records), len(records))
                yield list(records)

    def history(self, monkeypatch: pytest.MonkeyPatch, *keys: bytes, **more: Any) -> History:
        """What `read_history` finds here."""
        self.stand_in(monkeypatch)
        return read_history(Settings(), keys, **more)

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let `read_history` read these topics."""
        monkeypatch.setattr(history, "read", self.read)
        monkeypatch.setattr(history, "in_force", lambda _: (0, self.policy, Partitions(2, COUNT)))
        monkeypatch.setattr(history, "await_settled", lambda *_: Settled(self.through, {}))
