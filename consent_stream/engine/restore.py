"""Bulk restore: a partition's changelog straight into its RocksDB, hundreds of thousands of keys a second.

Faust's own recovery applies record by record (2,500–4,300 keys/s). This runs in a thread while heartbeats flow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from rocksdict import WriteBatch

from . import metrics
from .kafka import client_log
from .outbox import FencedOutbox, Outbox
from .partition import Meta, Partition

if TYPE_CHECKING:
    from .table import SliceTable

log = logging.getLogger(__name__)

#: Compaction may drop a tombstone 24 h after it was written (`delete.retention.ms`): an older store would keep its row.
_STALE_S = 20 * 3600
_CLOCK_SLACK_S = 60  # a host's clock is stepped by NTP now and then; beyond this a store's age is anyone's guess
_BATCH = 10_000
_READERS = 4
_SAY_S = 10.0  # between two lines about one partition: a restore of minutes is seen to go on

_CONSUMER = {
    "group.id": "restore-unused",  # librdkafka wants one; no group is joined
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "check.crcs": True,
    "fetch.wait.max.ms": 50,
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 16 << 10,
    "max.partition.fetch.bytes": 4 << 20,
    "fetch.max.bytes": 8 << 20,
}


class Verdict(Enum):
    """What a local store is worth beside the changelog it finds."""

    KEEP = "keep"
    NEW = "nothing here yet"
    FOREIGN = "of another cluster"
    BEHIND = "older than what the changelog still holds, or of an unknown age"
    LOST = "of a changelog that is gone or was cut"


def judge(meta: Meta | None, cluster: str, topic: str, low: int, high: int, now_s: float) -> Verdict:
    """Compare a store's coordinates with the changelog's id and watermarks. Pure."""
    if meta is None:
        return Verdict.NEW
    if meta.cluster != cluster:
        return Verdict.FOREIGN
    if meta.topic != topic or meta.changelog > high:
        return Verdict.LOST
    if meta.changelog < low or not -_CLOCK_SLACK_S <= now_s - meta.written_s <= _STALE_S:
        return Verdict.BEHIND
    return Verdict.KEEP


def restore(table: SliceTable, wanted: set[int], stop: threading.Event) -> None:
    """Open `wanted` partitions, fence them, and bring them up to the end of the changelog. Blocking.

    Errors: KafkaException, EngineError. Returns early when `stop` is set; a torn restore is read again.
    """
    started = time.monotonic()
    for number in set(table.parts) - wanted:
        table.parts.pop(number).close()
    numbers = sorted(wanted)
    with ThreadPoolExecutor(max(1, min(16, len(numbers))), thread_name_prefix="open") as pool:
        # init_transactions takes 0.2–0.4 s where the previous owner left a transaction open: all at once.
        for part in pool.map(lambda number: _open(table, number), numbers):
            table.parts[part.number] = part
    behind = _prepare(table, numbers)
    left = metrics.RESTORE_LEFT.labels(table.name)
    left.set(sum(end - at for at, end in behind.values()))
    with ThreadPoolExecutor(_READERS, thread_name_prefix="restore") as pool:
        # One consumer each: reading one partition overlaps with writing another, and no record is sorted in Python.
        count = sum(pool.map(lambda number: _read(table, number, *behind[number], stop), behind))
    if stop.is_set():
        return
    for number in numbers:
        table.parts[number].current = True
    took = time.monotonic() - started
    found = {"table": table.name, "records": count, "seconds": round(took, 3), "partitions": list(numbers)}
    log.info("restored %s: %d records in %.2f s, partitions %s", table.name, count, took, numbers, extra=found)


def _open(table: SliceTable, number: int) -> Partition:
    app = table.app
    part = table.parts.get(number) or Partition(table.directory / str(number), number, app.memory)
    if part.outbox is None:
        part.outbox = FencedOutbox(app.kafka, table.transactional_id(number)) if app.fence else Outbox(app.kafka)
        part.outbox.warm([*app.outputs, table.changelog])
    return part


def _prepare(table: SliceTable, numbers: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Judge every store; returns (offset to start at, offset to reach) of each partition that is behind."""
    identity = table.app.identity
    known = {topic for part in table.parts.values() if part.meta for topic in (*part.meta.sources, *part.meta.rewind)}
    table.topic_ids = identity.topic_ids({*table.sources, *known})
    cluster, ident = identity.cluster(), identity.topic_ids([table.changelog])[table.changelog]
    behind = {}
    for number in numbers:
        part = table.parts[number]
        low, high = identity.watermarks(table.changelog, number)
        # A partition that stayed with us has missed nothing, however long ago it was written.
        now_s = part.meta.written_s if part.current and part.meta is not None else time.time()
        verdict = judge(part.meta, cluster, ident, low, high, now_s)
        if verdict is not Verdict.KEEP:
            part.current = False
            _renew(table, part, verdict, Meta(cluster, ident, low, int(time.time())), empty=low == high)
        if part.meta is not None and part.meta.changelog < high:
            behind[number] = part.meta.changelog, high
    return behind


def _renew(table: SliceTable, part: Partition, verdict: Verdict, fresh: Meta, *, empty: bool) -> None:
    """Start a store over. Where the changelog cannot hold the state, the sources must be folded again."""
    where, place = f"store {table.name}/{part.number}", {"table": table.name, "partition": part.number}
    if verdict is Verdict.NEW:
        rewind = list(table.sources) if empty else []
    else:
        log.error("%s is %s: wiped, rebuilding", where, verdict.value, extra={**place, "verdict": verdict.value})
        fed_by = {*table.sources, *(part.meta.sources if part.meta else ())}
        rewind = sorted(fed_by) if verdict is Verdict.LOST else []
        part.wipe()
    if rewind and verdict is Verdict.LOST:
        log.error("%s: its sources are read again from their beginning: %s", where, ", ".join(rewind), extra=place)
    part.write((), replace(fresh, rewind=rewind))


def _read(table: SliceTable, number: int, at: int, end: int, stop: threading.Event) -> int:
    """Read one partition of the changelog from `at` to `end` into its store; returns how many records that were."""
    part, count, told = table.parts[number], 0, time.monotonic()
    place = {"table": table.name, "partition": number}
    restored, left = metrics.RESTORED.labels(table.name), metrics.RESTORE_LEFT.labels(table.name)
    consumer = Consumer(table.app.kafka.consumer(**_CONSUMER), logger=client_log)
    try:
        consumer.assign([TopicPartition(table.changelog, number, at)])
        while at < end and not stop.is_set():
            rows, before = WriteBatch(raw_mode=True), at
            # A short timeout: consume(n, t) waits the whole t for the last, smaller batch.
            messages = consumer.consume(_BATCH, 0.05)
            for message in messages:
                if message.error() is not None:
                    at = _end_of_partition(table, message)
                    continue
                value = message.value()
                if value is None:
                    rows.delete(message.key())
                else:
                    rows.put(message.key(), value)
                at = message.offset() + 1
            part.load(rows)
            count += len(messages)
            restored.inc(len(messages))
            left.dec(min(at, end) - before)
            if time.monotonic() - told > _SAY_S:
                told = time.monotonic()
                log.info("restoring %s/%d: %d records to go", table.name, number, end - at, extra=place)
    finally:
        consumer.close()
    if part.meta is not None and not stop.is_set():
        part.settle(replace(part.meta, changelog=at, written_s=int(time.time())))
    return count


def _end_of_partition(table: SliceTable, message: Message) -> int:
    """The offset an end-of-partition event stands at: past markers of transactions, which are no records.

    Errors: KafkaException for any other event.
    """
    if message.error().code() != KafkaError._PARTITION_EOF:
        place = {"table": table.name, "partition": message.partition(), "offset": message.offset()}
        log.error("restore of %s/%d failed", table.name, message.partition(), extra=place)
        raise KafkaException(message.error())
    offset: int = message.offset()
    return offset
