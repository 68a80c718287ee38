"""Two generations side by side: the newest value of each key of their state and lists, in one temporary file.

The file (LMDB) may grow to the size of both generations' rows; memory does not grow with them. Both are read on until
all that had been accepted when a round began is settled in both: what differs then differs for good, or is changed just
now by events that came later, which another round tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import lmdb
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.topics import EVENTS, STATE, SUPPRESSION, Topic
from consent_stream.wire.vector import Vector, decode_heartbeat, meet

TOPICS = (STATE, *SUPPRESSION.values())
TIMEOUT = 10.0
BATCH = 10_000
MAP_BYTES = 1 << 40  # address space; the file is as large as what is in it
Told = Callable[[int, int], None]


class NotSettled(Exception):
    """A generation does not get on; the text says which, in one line, and what to look at."""


class Row(NamedTuple):
    """A key in both generations; None where it has no row. partition: where the first of them keeps it."""

    key: bytes
    partition: int
    values: tuple[bytes | None, bytes | None]


class Snapshot:
    """A context manager; `settle` first. generations: two different ones."""

    def __init__(self, settings: Settings, generations: tuple[int, int]) -> None:
        self._settings, self.generations = settings, generations
        self._undo = ExitStack()
        self._at: dict[tuple[str, int], int] = {}
        self._beats: dict[int, dict[int, Vector]] = {each: {} for each in generations}
        self._owner = {
            topic.full(settings.topic_prefix, each): (topic, each) for topic in TOPICS for each in generations
        }

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            folder = undo.enter_context(TemporaryDirectory(prefix="consent-stream-compare-"))
            self._env = lmdb.open(
                str(Path(folder) / "rows"), map_size=MAP_BYTES, max_dbs=len(self._owner), sync=False, writemap=False
            )
            undo.callback(self._env.close)
            self._rows = {name: self._env.open_db(name.encode()) for name in self._owner}
            unused = {"group.id": "compare-unused", "enable.partition.eof": True, "log_level": 0}  # no group is joined
            self._reader = Consumer(self._settings.consumer(**unused))
            undo.callback(self._reader.close)
            self._begin()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def _begin(self) -> None:
        for name in self._owner:
            for q in self._partitions(name):
                low, _ = self._reader.get_watermark_offsets(TopicPartition(name, q), timeout=TIMEOUT)
                self._at[name, q] = low
        self._reader.assign([TopicPartition(name, q, at) for (name, q), at in self._at.items()])

    def _partitions(self, name: str) -> list[int]:
        return sorted(self._reader.list_topics(name, timeout=TIMEOUT).topics[name].partitions)

    def settle(self, seconds: float, told: Told) -> Vector:
        """Read on until all that is in `consent.events` now is settled in both; by which vector, the lesser of the two.

        told: called with (records read, records there were) as it goes. Errors: NotSettled; KafkaException.
        """
        name = EVENTS.full(self._settings.topic_prefix)
        wanted = {p: self._end(name, p) for p in self._partitions(name)}
        deadline = time.monotonic() + seconds
        self._catch_up(told)
        # Only what is heard from now on counts: where no event came, a worker that ended long ago has settled them all.
        self._beats = {each: {} for each in self.generations}
        while True:
            self._catch_up(told)
            settled = {each: self._settled(each) for each in self.generations}
            behind = [
                each
                for each, vector in settled.items()
                if any(p not in vector or vector[p].offset < end for p, end in wanted.items())
            ]
            if not behind:
                return meet(settled.values())
            if time.monotonic() > deadline:
                which = " and ".join(map(str, behind))
                raise NotSettled(f"generation {which} is not settled after {seconds:g} s: does a worker of it run?")

    def _settled(self, generation: int) -> Vector:
        """By the heartbeats of one list; all lists of a partition are written in one transaction."""
        count = sum(self._owner[name] == (SUPPRESSION["email"], generation) for name, _ in self._at)
        beats = self._beats[generation]
        return meet(beats.values()) if len(beats) == count else {}

    def _end(self, name: str, q: int) -> int:
        _, end = self._reader.get_watermark_offsets(TopicPartition(name, q), timeout=TIMEOUT)
        return int(end)

    def _catch_up(self, told: Told) -> None:
        """Read to the ends of now. Rows and positions need no transaction of their own: a crash leaves no snapshot."""
        ends = {place: self._end(*place) for place in self._at}
        first = sum(self._at.values())
        total = sum(ends.values()) - first
        while any(self._at[place] < end for place, end in ends.items()):
            messages = self._reader.consume(BATCH, 0.2)
            with self._env.begin(write=True) as txn:
                for message in messages:
                    self._take(txn, message)
            told(sum(self._at.values()) - first, total)

    def _take(self, txn: Any, message: Any) -> None:
        place, error = (message.topic(), message.partition()), message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self._at[place] = max(self._at[place], message.offset())  # a transaction's marker may stand last
            return
        self._at[place] = message.offset() + 1
        topic, generation = self._owner[message.topic()]
        key, value = message.key(), message.value()
        if key == HEARTBEAT_KEY:
            if topic == SUPPRESSION["email"]:
                self._hear(generation, value)
        elif key is not None and value is not None:  # a null value takes nothing back: readers keep what they had
            txn.put(key, message.partition().to_bytes(4, "big") + value, db=self._rows[message.topic()])

    def _hear(self, generation: int, value: bytes | None) -> None:
        try:
            beat = decode_heartbeat(value or b"")
        except WireError:
            return  # what nobody can read proves nothing: the partition stays unsettled until the next one
        self._beats[generation][beat.partition] = beat.settled

    def rows(self, topic: Topic) -> Iterator[Row]:
        """Every key that has a row of `topic` in either generation, in the order of keys."""
        first, second = (self._rows[topic.full(self._settings.topic_prefix, each)] for each in self.generations)
        with self._env.begin() as txn:
            a, b = iter(txn.cursor(first)), iter(txn.cursor(second))
            left, right = next(a, None), next(b, None)
            while left is not None or right is not None:
                if right is None or (left is not None and left[0] < right[0]):
                    assert left is not None
                    yield _row(left[0], left[1], None)
                    left = next(a, None)
                elif left is None or right[0] < left[0]:
                    yield _row(right[0], None, right[1])
                    right = next(b, None)
                else:
                    yield _row(left[0], left[1], right[1])
                    left, right = next(a, None), next(b, None)


def _row(key: bytes, first: bytes | None, second: bytes | None) -> Row:
    kept = first if first is not None else second
    assert kept is not None
    values = (None if first is None else first[4:], None if second is None else second[4:])
    return Row(key, int.from_bytes(kept[:4], "big"), values)
