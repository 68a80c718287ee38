"""Older records over newer ones: the owner of a list's partition reads it back, notices them, and writes its own again.

A fence keeps every worker from it. What is left are writers of another kind: a mirror that copies twice, a restored
backup, a hand with a producer, a worker of an old release. Gates go by the version and do not obey such a record; but
compaction keeps the last one, and a gate that starts after it would know no better.

1. A record at or behind the end of a list, as it was asked for after everything before ledger offset P was proven, has
   a version greater than P, or it is none of the owner's first: that needs no memory of keys. Within the stretch that
   is being read, the versions seen so far are remembered.
2. What such a key must say is folded from the ledger (`refolding`) while no slice of the partition is being written, so
   that the repair is newer than all that was there, and published in a transaction of the owner.
3. How far a partition is read is committed, with P, for a group of its own: the next owner goes on there. One that
   finds nothing committed begins at the end.
4. It takes at most SHARE of a core from the stages: under load it falls behind, and catches up afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.domain.policy import Policy
from consent_stream.engine import EngineError, SliceApp, describe, fail_stop
from consent_stream.engine.outbox import Effects, FencedOutbox
from consent_stream.engine.partition import Partition
from consent_stream.logends import LogEnds
from consent_stream.settings import Settings
from consent_stream.topology import metrics
from consent_stream.topology.fold import Folder
from consent_stream.topology.refolding import Newest, Refolding
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import HEARTBEAT_KEY, SUBJECT_KEY_BYTES
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.topics import LEDGER, SUPPRESSION

log = logging.getLogger(__name__)
EVERY_S = 1.0
SHARE = 0.02  # of one core
AT_ONCE_S = 0.02  # CPU of one look: what it takes longer is made up for by waiting
BATCH = 500
REMEMBERED = 100_000  # versions of one stretch; beyond that older records of the same stretch go unseen
TIMEOUT_S = 10.0
TABLE = "consent-state"
UNREAD = -1  # the version of a value that is null or cannot be read

Place = tuple[str, int]  # list (its topic's full name), partition


class Mark(NamedTuple):
    """Everything that was proven before ledger offset `applied` lies before offset `end` of the list."""

    end: int
    applied: int


class Stretch:
    """One partition of a list, as far as it is read back: from one mark to the next."""

    def __init__(self, at: int, floor: int) -> None:
        self.at, self.floor = at, floor
        self.mark: Mark | None = None
        self._seen: dict[bytes, int] = {}

    def take(self, offset: int, key: bytes, version: int) -> bool:
        """Whether this record is none of the owner's first: its version is at or below what was there before."""
        self.at = offset + 1
        known = self._seen.get(key, self.floor)
        if version <= known and version != self._seen.get(key):
            return True
        if version > known and len(self._seen) < REMEMBERED:
            self._seen[key] = version
        return False

    def close(self, position: int) -> bool:
        """Whether the mark is reached; then what came before it is the new floor."""
        if self.mark is None or position < self.mark.end:
            return False
        self.at, self.floor, self.mark = max(self.at, position), self.mark.applied, None
        self._seen.clear()
        return True


class Regressions:
    """`run` is a task of the app. All I/O is on a thread."""

    def __init__(self, app: SliceApp, settings: Settings, policy: Policy, *, group: str, generation: int) -> None:
        self._app, self._settings, self._policy = app, settings, policy
        self._group, self._generation = f"{group}.guard", generation
        prefix = settings.topic_prefix
        self._ledger = LEDGER.full(prefix, generation)
        self._channels = {topic.full(prefix, generation): channel for channel, topic in SUPPRESSION.items()}
        self._stretches: dict[Place, Stretch] = {}
        self._suspects: dict[int, dict[tuple[str, bytes], int]] = {}  # partition → (list, key) → version read back
        self._mine: dict[tuple[str, bytes], int] = {}  # repairs that will be read back
        self._consumer: Any = None
        self._before: dict[int, int] = {}

    async def run(self) -> None:
        """Look until the app stops."""
        loop = asyncio.get_running_loop()
        while not self._app.should_stop:
            spent = 0.0
            if self._app.fence and (owned := self._owned()):
                try:
                    spent = await loop.run_in_executor(self._app.threads, self._look, owned)
                except KafkaException as exc:
                    log.warning("lists are not read back: %s", describe(exc))
                except Exception as exc:  # a defect, or a fault of the owner's own producer
                    fail_stop(exc)
            await self._app.sleep(max(EVERY_S, spent / SHARE))
        if self._consumer is not None:
            await loop.run_in_executor(None, self._consumer.close)

    def _owned(self) -> dict[int, int]:
        """Ledger partition → the offset before which all is proven."""
        table = self._app.tables.get(TABLE)
        parts = table.parts if table is not None else {}
        at = {tp.partition: each.next for tp, each in self._app.positions().items() if tp.topic == self._ledger}
        return {q: offset for q, offset in at.items() if q in parts and parts[q].current}

    # -- on a thread

    def _look(self, owned: dict[int, int]) -> float:
        """Read on, and repair what was found; seconds of CPU that the stages did not get."""
        began = time.thread_time()
        quiet, self._before = owned == self._before, owned
        self._follow(owned)
        self._set_marks(owned)
        self._read(began + (AT_ONCE_S * 20 if quiet else AT_ONCE_S))
        self._close_marks()
        for q in [q for q in self._suspects if q in owned]:
            if self._repair(q, self._suspects[q]):
                del self._suspects[q]
        return 0.0 if quiet else time.thread_time() - began

    def _follow(self, owned: dict[int, int]) -> None:
        """Assign the lists of the partitions that are ours now, each from where it was read to."""
        wanted = {(name, q) for name in self._channels for q in owned}
        if wanted == self._stretches.keys():
            return
        if self._consumer is None:
            over = {"group.id": self._group, "fetch.wait.max.ms": 500, "queued.max.messages.kbytes": 4096}
            self._consumer = Consumer(self._settings.consumer(**over, **{"log_level": 2}))
            self._log_ends = LogEnds(lambda: AdminClient({**self._settings.librdkafka(), "log_level": 2}))
        new = sorted(wanted - self._stretches.keys())
        committed = self._consumer.committed([TopicPartition(*place) for place in new], timeout=TIMEOUT_S)
        ends = self._log_ends.get(new)
        kept = {place: each for place, each in self._stretches.items() if place in wanted}
        for each in committed:
            place = each.topic, each.partition
            if each.error is not None:
                raise KafkaException(each.error)
            known = 0 <= each.offset <= ends[place] and (each.metadata or "").isdigit()
            # An owner before us may have proven more than this process has applied again by now.
            floor = min(int(each.metadata), owned[each.partition]) if known else owned[each.partition]
            kept[place] = Stretch(each.offset if known else ends[place], floor)
        self._stretches = kept
        self._suspects = {q: found for q, found in self._suspects.items() if q in owned}
        self._consumer.assign([TopicPartition(*place, stretch.at) for place, stretch in kept.items()])

    def _set_marks(self, owned: dict[int, int]) -> None:
        """`owned` was asked before: whatever is proven there lies before the ends that are told now."""
        places = [place for place, stretch in self._stretches.items() if stretch.mark is None]
        for place, end in self._log_ends.get(places).items():
            self._stretches[place].mark = Mark(end, owned[place[1]])

    def _read(self, until: float) -> None:
        """Errors: KafkaException, after everything else of its batch is judged; the consumer itself goes on."""
        trouble: KafkaError | None = None
        while not trouble and time.thread_time() < until and (messages := self._consumer.consume(BATCH, 0.1)):
            for message in messages:
                if (error := message.error()) is not None:
                    trouble = self._heed(error, (message.topic(), message.partition())) or trouble
                elif message.key() != HEARTBEAT_KEY:
                    self._judge(message)
        if trouble:
            raise KafkaException(trouble)

    def _heed(self, error: KafkaError, place: Place) -> KafkaError | None:
        if error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            self._stretches.pop(place, None)  # it is assigned anew by the next look
            return None
        return error

    def _judge(self, message: Any) -> None:
        place, key = (message.topic(), message.partition()), message.key() or b""
        stretch = self._stretches.get(place)
        if stretch is None or len(key) != SUBJECT_KEY_BYTES:  # gates count foreign keys, and obey none of them
            return
        version = _version(message.value())
        if not stretch.take(message.offset(), key, version):
            return
        about = self._channels[place[0]], key
        if self._mine.get(about) == version:
            del self._mine[about]
        else:
            self._suspects.setdefault(place[1], {})[about] = version

    def _close_marks(self) -> None:
        reached = []
        for each in self._consumer.position([TopicPartition(*place) for place in self._stretches]):
            stretch = self._stretches[each.topic, each.partition]
            if stretch.close(max(each.offset, stretch.at)) and each.partition not in self._suspects:
                reached.append(TopicPartition(each.topic, each.partition, stretch.at, str(stretch.floor)))
        if reached:
            self._consumer.commit(offsets=reached, asynchronous=True)

    def _repair(self, q: int, found: dict[tuple[str, bytes], int]) -> bool:
        """Whether it is done. Not when the partition goes to another owner, or is being restored."""
        part: Partition = self._app.tables[TABLE].parts[q]
        over = {"group.id": "restore-unused", "log_level": 2}
        consumer = Consumer(self._settings.consumer(**over))
        try:
            facts = Refolding(consumer, self._ledger, q, {key for _, key in found})
            facts.read_to(self._applied(part))  # most of it, before anybody has to wait
            with part.lock:
                if part.outbox is None or not part.current:
                    return False
                facts.read_to(self._applied(part))
                self._publish(part, found, facts.entries(Folder(self._policy, self._generation), part.get))
                return True
        finally:
            consumer.close()

    def _applied(self, part: Partition) -> int:
        return part.meta.sources[self._ledger][1] if part.meta and self._ledger in part.meta.sources else 0

    def _publish(
        self,
        part: Partition,
        found: dict[tuple[str, bytes], int],
        right: Newest,
    ) -> None:
        names = {channel: name for name, channel in self._channels.items()}
        effects, repaired = Effects(), dict[tuple[str, bytes], int]()
        for about, version in found.items():
            own, value = right.get(about, (UNREAD, b""))
            where = (names[about[0]], part.number)
            place = {**dict(zip(("topic", "partition"), where, strict=True)), "key": about[1].hex(), "version": version}
            if own == UNREAD:
                log.error("%s/%d: the ledger alone cannot tell what a key must say", *where, extra=place)
            elif version < own:
                effects.add(names[about[0]], about[1], value, part.number, None)
                repaired[about] = own
                metrics.REGRESSIONS.labels(about[0]).inc()
            elif version > own:
                log.error("%s/%d holds a record that no worker wrote, newer than ours", *where, extra=place)
        if not repaired:
            return
        if not isinstance(part.outbox, FencedOutbox):
            raise EngineError("a list is repaired by its fenced owner alone")
        part.outbox.begin(effects)
        part.outbox.commit([], "", part.number)
        self._mine.update(repaired)
        log.error(
            "%d older records stood over newer ones in partition %d of the lists: written again; find who writes there",
            len(repaired),
            part.number,
            extra={"partition": part.number, "repaired": [f"{channel} {key.hex()}" for channel, key in repaired]},
        )


def _version(value: bytes | None) -> int:
    try:
        return decode_entry(value or b"").version
    except WireError:
        return UNREAD
