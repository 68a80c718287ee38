"""What lies in `consent.quarantine`, and which of it is done with.

1. Key, value and headers of a record are what a sender sent: addresses may be inside. None of them is in a repr.
2. What the worker says of it stands in headers that begin with `consent-error-`; what is there and reads like no word
   of the worker's is a `?`, for anybody who may write there may have put an address into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import Message, TopicPartition

from consent_stream.inspection.topicread import TIMEOUT, Told, Unread, consumer, partitions, read
from consent_stream.settings import Settings
from consent_stream.wire.marks import Mark, Marks, Place
from consent_stream.wire.records import ERROR, told_headers
from consent_stream.wire.topics import AUDIT, EVENTS, LEDGER, QUARANTINE
from consent_stream.wire.withdrawals import may_be_withdrawal

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,254}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_INDICES = re.compile(r"[0-9]{1,4}(,[0-9]{1,4}){0,1000}", re.ASCII)
_DOUBTFUL = re.compile(r"@|[0-9]{7}")  # no message of the worker's has these
CUT = "; cut, the whole record is at its place"
BATCH = ", as it was fetched"


@dataclass(frozen=True, slots=True)
class Held:
    """A quarantined record. written: µs. source: topic, partition and offset of what it was, as far as it is told.

    events: which of a batch were refused. key, value, headers: the original ones, byte for byte. whole: they are the
    record, and not the beginning of one that was too large to be kept.
    """

    place: Place
    written: int
    code: str
    stage: str
    topic: str
    source: Place | None
    message: str
    events: tuple[int, ...]
    whole: bool
    may_be_withdrawal: bool
    size: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes | None], ...] = field(repr=False)

    @property
    def origin(self) -> str:
        """Topic and place of what it was, in words."""
        return f"{self.topic} {self.source[0]}:{self.source[1]}" if self.source else self.topic


class Wanted(NamedTuple):
    """Which records; empty is all. Units: microseconds, `until` exclusive."""

    codes: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    places: frozenset[Place] = frozenset()
    withdrawals: bool = False

    def holds(self, held: Held) -> bool:
        """Whether it is one of them."""
        return (
            (not self.codes or held.code in self.codes)
            and (not self.stages or held.stage in self.stages)
            and (not self.topics or held.topic in self.topics)
            and (self.since is None or held.written >= self.since)
            and (self.until is None or held.written < self.until)
            and (not self.places or held.place in self.places)
            and (not self.withdrawals or held.may_be_withdrawal)
        )


def find(
    settings: Settings, wanted: Wanted, *, marked: bool = False, told: Told | None = None
) -> Iterator[tuple[Held, Mark | None]]:
    """The records that are wanted, partition by partition; marked: those too that were put back or dropped.

    Errors: Unread.
    """
    marks, partition = read_marks(settings), frozenset(p for p, _ in wanted.places)
    only: Callable[[int], frozenset[int]] | None = (lambda _count: partition) if partition else None
    for batch in read(settings, QUARANTINE, since=wanted.since, only=only, told=told):
        for message in batch:
            if wanted.places and (message.partition(), message.offset()) not in wanted.places:
                continue
            held = held_of(message)
            if wanted.holds(held):
                mark = marks.of(held.place, held.written)
                if marked or mark is None:
                    yield held, mark


def read_marks(settings: Settings) -> Marks:
    """What was done with quarantined records, ever. Errors: Unread."""
    marks = Marks()
    for batch in read(settings, AUDIT):
        for message in batch:
            marks.note(message.value())
    return marks


def find_one(settings: Settings, place: Place) -> Held | None:
    """The record at a place, without reading what lies before it; None where there is none. Errors: Unread."""
    name, reader = QUARANTINE.full(settings.topic_prefix), consumer(settings)
    try:
        low, end = partitions(reader, name).get(place[0], (0, 0))
        if not low <= place[1] < end:
            return None
        reader.assign([TopicPartition(name, *place)])
        message = reader.poll(TIMEOUT)
        if message is None:
            raise Unread(f"topic {name}: no answer within {TIMEOUT:.0f} s")
        return None if message.error() is not None or message.offset() != place[1] else held_of(message)
    finally:
        reader.close()


def held_of(message: Message) -> Held:
    """What a message of the topic is."""
    return held(
        (message.partition(), message.offset()),
        message.timestamp()[1] * 1000,
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


def held(
    place: Place, written: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]
) -> Held:
    """A record by its parts."""
    told = told_headers(headers)
    code, stage, topic = (_read(_WORD, told.get(name)) for name in ("code", "stage", "topic"))
    partition, offset = (_read(_NUMBER, told.get(name)) for name in ("partition", "offset"))
    events = _read(_INDICES, told.get("events"))
    indices = () if events == "?" else tuple(int(each) for each in events.split(","))
    message = told.get("message", "")
    return Held(
        place,
        written,
        code,
        stage,
        topic,
        None if "?" in (partition, offset) else (int(partition), int(offset)),
        "?" if _DOUBTFUL.search(message) else message,
        indices,
        not message.endswith((CUT, BATCH)) and CUT not in message,
        may_be_withdrawal(code, stage, value, indices),
        len(value or b""),
        key,
        value,
        tuple((name, raw) for name, raw in headers if not name.startswith(ERROR)),
    )


def _read(pattern: re.Pattern[str], text: str | None) -> str:
    return text if text is not None and pattern.fullmatch(text) else "?"


def destination(found: Held, prefix: str) -> tuple[str, int]:
    """Where a record belongs: full topic, and the partition, -1 for any.

    Errors: ValueError in one line when it cannot be put back.
    """
    if not found.whole:
        raise ValueError("only its beginning was kept: the whole record is at its place, for as long as that is there")
    if found.topic == EVENTS.full(prefix):
        return found.topic, -1
    ledger = LEDGER.full(prefix)
    if found.source and re.fullmatch(rf"{re.escape(ledger)}(\.g[1-9]\d*)?", found.topic, re.ASCII):
        return found.topic, found.source[0]  # a fact lies where its key belongs
    raise ValueError("it does not say that it came from the events or the ledger of this deployment")


def fields(found: Held, mark: Mark | None) -> dict[str, Any]:
    """As JSON has it, without a byte of what was sent. Times in microseconds."""
    return {
        "place": f"{found.place[0]}:{found.place[1]}",
        "written": found.written,
        "code": found.code,
        "stage": found.stage,
        "topic": found.topic,
        "source": found.source and {"partition": found.source[0], "offset": found.source[1]},
        "events": list(found.events),
        "bytes": found.size,
        "whole": found.whole,
        "may_be_withdrawal": found.may_be_withdrawal,
        "mark": mark and {"action": mark.action, "at": mark.at, "by": mark.by, "reason": mark.reason},
    }
