"""A topic from an instant to the end it has now, in batches; it joins no group and commits nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consent_stream.settings import Settings
from consent_stream.topics import EMBEDDED_CLUSTER
from consent_stream.wire.topics import Topic

TIMEOUT = 10.0  # seconds for one answer
STALLED = 30.0  # seconds without a record while some are known to be there; a hung transaction ends sooner
BATCH = 5_000
AHEAD_KIB = 16 * 1024  # what the client fetches ahead
Told = Callable[[int, int], None]  # (records read, records to read)


class Unread(Exception):
    """A topic is not there or does not answer. The text is one line."""


def consumer(settings: Settings) -> Consumer:
    """One that is only ever assigned, and told of every end. (EOF is the only sign that counts transaction markers.)"""
    return Consumer(
        settings.consumer(**{
            "group.id": "consent-stream-inspection",
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": AHEAD_KIB,
            "log_level": 0,
        })
    )  # fmt: skip


def partitions(reader: Consumer, topic: str, since: int | None = None) -> dict[int, tuple[int, int]]:
    """(first offset, end) of each partition, as of now. since: microseconds; from the first record that is not older.

    The embedded broker cannot look up a time: there it is all that there is, and the reader must look. Errors: Unread.
    """
    try:
        cluster = reader.list_topics(topic, timeout=TIMEOUT)
        metadata = cluster.topics[topic]
        if metadata.error is not None:
            raise Unread(f"topic {topic}: {metadata.error.str()} (consent-stream topics apply makes it)")
        found = {
            p: reader.get_watermark_offsets(TopicPartition(topic, p), timeout=TIMEOUT) for p in metadata.partitions
        }
        if since is None or str(cluster.cluster_id).startswith(EMBEDDED_CLUSTER):
            return found
        wanted = [TopicPartition(topic, p, max(0, since // 1000)) for p in found]
        starts = {each.partition: each.offset for each in reader.offsets_for_times(wanted, timeout=TIMEOUT)}
    except KafkaException as error:
        raise Unread(f"topic {topic}: {error.args[0].str()}") from error
    return {p: (starts[p] if starts[p] >= 0 else end, end) for p, (_, end) in found.items()}


def read(
    settings: Settings,
    topic: Topic,
    generation: int = 0,
    *,
    since: int | None = None,
    least: Mapping[int, int] = {},
    only: Callable[[int], Container[int]] | None = None,
    told: Told | None = None,
) -> Iterator[list[Message]]:
    """The committed records of a topic up to its end at the first call, in batches, in order within each partition.

    since: as in `partitions`. least: offsets known to be committed; what lies before them is waited for, even where an
    open transaction hides it at first. only: which partitions, of so many; None for all.
    Errors: Unread, also when nothing comes for `STALLED` seconds.
    """
    name, reader = topic.full(settings.topic_prefix, generation), consumer(settings)
    try:
        spans = partitions(reader, name, since)
        if only is not None:
            wanted = only(len(spans))
            spans = {p: span for p, span in spans.items() if p in wanted}
        ends = {p: max(end, least.get(p, 0)) for p, (start, end) in spans.items() if start < max(end, least.get(p, 0))}
        total, done = sum(ends[p] - spans[p][0] for p in ends), {p: spans[p][0] for p in ends}
        reader.assign([TopicPartition(name, p, spans[p][0]) for p in ends])
        heard = time.monotonic()
        while ends:
            batch, messages = [], reader.consume(BATCH, 0.2)
            for message in messages:
                p, at = message.partition(), _next_offset(message, name)
                if p not in ends:
                    continue
                if message.error() is None and at <= ends[p]:
                    batch.append(message)
                done[p] = min(at, ends[p])
                if at >= ends[p] or (message.error() is not None and at >= least.get(p, 0)):
                    done[p] = ends.pop(p)
                    reader.pause([TopicPartition(name, p)])
            if told is not None:
                told(total - sum(end - done[p] for p, end in ends.items()), total)
            if batch:
                yield batch
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > STALLED:
                raise Unread(
                    f"topic {name}: no record for {STALLED:.0f} s, {len(ends)} partitions are not at their end"
                )
    finally:
        reader.close()


def _next_offset(message: Message, topic: str) -> int:
    """The offset behind a record, or that at which a partition ends. Errors: Unread for any other error."""
    error = message.error()
    if error is None:
        return int(message.offset()) + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return int(message.offset())
    raise Unread(f"topic {topic}: {error.str()}")
