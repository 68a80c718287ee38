"""Reads Kafka into the model, on one thread: it joins no group and writes nothing.

Two consumers, so that two days of changes do not hold up the words of this second: `live` (progress, gates, edges,
control) and `past` (changes, quarantine, the audit that marks what is in it). Whatever Kafka refuses is kept in the
model as one line and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from consent_stream.console.model import Group, Model, Reading, Worker
from consent_stream.console.optouts import HOUR, HOURS
from consent_stream.inspection.quarantine import held_of
from consent_stream.inspection.topicread import Unread, consumer, partitions
from consent_stream.logends import LogEnds
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import decode_change
from consent_stream.wire.edges import decode_edge
from consent_stream.wire.gate_report import decode_report
from consent_stream.wire.topics import (
    AUDIT,
    CHANGES,
    CONTROL,
    EDGES,
    EVENTS,
    GATES,
    LEDGER,
    PROGRESS,
    QUARANTINE,
    Topic,
)
from consent_stream.wire.vector import decode_progress

log = logging.getLogger(__name__)
AT_ONCE = 2000
GLANCE_S = 0.2
LOOK_S = 2.0  # between two looks at ends
GROUP_S = 5.0  # between two looks at the group
ANSWER_S = 5.0
AGAIN_S = 1.0
END_S = 15.0
QUARANTINE_BACK = 7 * 24 * HOUR  # microseconds
PROGRESS_BACK = 60_000_000
COUNTED = (EVENTS, LEDGER, CHANGES, QUARANTINE)
FOLLOWED = (PROGRESS, GATES, EDGES, CONTROL)
ANEW = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)
Clock = Callable[[], int]


class Anew(Exception):
    """Topics were made anew, or another generation is active: begin again."""


class Follower:
    """`start`, and `close`. clock: µs."""

    def __init__(self, settings: Settings, model: Model, clock: Clock) -> None:
        self._settings, self._model, self._clock = settings, model, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-follower", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """End; waits for what Kafka still owes, at most `END_S`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(END_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with ExitStack() as stack:
                    self._follow(stack)
            except Anew:
                continue
            except (KafkaException, Unread, Unreachable, WireError, BufferError, TimeoutError) as error:
                self._troubled(error)
            except Exception as error:  # a defect: pages go on and say how old their figures are
                log.error("the reader failed: %s at %s", type(error).__name__, _where(error))  # its text may quote
                self._troubled(error)
            self._stop.wait(AGAIN_S)

    def _troubled(self, error: Exception) -> None:
        text = _line(error)
        with self._model.lock:
            first = self._model.trouble is None
            self._model.trouble = text
        if first:
            log.warning("no figures: %s", text)

    def _follow(self, stack: ExitStack) -> None:
        generation = active_generation(self._settings)
        live, past = stack.enter_context(_open(self._settings)), stack.enter_context(_open(self._settings))
        admin = AdminClient({**self._settings.librdkafka(), "log_level": 0})
        now = self._clock()
        live_spans = self._assign(
            live, generation, {topic: None for topic in FOLLOWED} | {PROGRESS: now - PROGRESS_BACK}
        )
        spans = self._assign(
            past,
            generation,
            {CHANGES: now - HOURS * HOUR, QUARANTINE: now - QUARANTINE_BACK, AUDIT: now - QUARANTINE_BACK},
        )
        ends = _Ends(self._settings, generation)
        with self._model.lock:
            self._model.begin(generation)
        left = _Left(live_spans)
        behind = _Left(spans)
        look, members = 0.0, 0.0
        while not self._stop.is_set():
            self._take(live, generation, left, GLANCE_S if not behind.waiting else 0.02)
            self._take(past, generation, behind, 0)
            with self._model.lock:
                self._model.reading = Reading(behind.done, behind.total)
                self._model.caught_up = not left.waiting
                if self._model.control.active not in (None, generation) and not left.waiting:
                    raise Anew
            if time.monotonic() - look >= LOOK_S:
                look = time.monotonic()
                self._look(ends)
            if time.monotonic() - members >= GROUP_S:
                members = time.monotonic()
                group = _group(self._settings, admin, generation)
                with self._model.lock:
                    self._model.group = group

    def _assign(
        self, reader: Consumer, generation: int, topics: Mapping[Topic, int | None]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        spans: dict[tuple[str, int], tuple[int, int]] = {}
        for topic, since in topics.items():
            name = topic.full(self._settings.topic_prefix, generation)
            spans |= {(name, p): span for p, span in partitions(reader, name, since).items()}
        reader.assign([TopicPartition(name, p, start) for (name, p), (start, _) in spans.items()])
        return spans

    def _look(self, ends: _Ends) -> None:
        try:
            found, at = ends.ask(), self._clock()
        except KafkaException as error:
            self._troubled(error)
            return
        with self._model.lock:
            self._model.flow.sample(at, found)
            self._model.hear(at)

    def _take(self, reader: Consumer, generation: int, left: _Left, seconds: float) -> None:
        messages = reader.consume(AT_ONCE, seconds)
        if not messages:
            return
        with self._model.lock:
            for message in messages:
                error = message.error()
                left.note(message)
                if error is None:
                    self._note(message, generation)
                elif error.code() in ANEW:
                    raise Anew
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)

    def _note(self, message: Message, generation: int) -> None:
        name, prefix, model = message.topic(), self._settings.topic_prefix, self._model
        value, now = message.value(), self._clock()
        try:
            if name == PROGRESS.full(prefix, generation):
                model.flow.report(decode_progress(value or b""))
            elif name == GATES.full(prefix):
                if value is not None:  # compaction's own: a gate that is forgotten
                    model.gatesheet.hear(decode_report(value), now)
            elif name == EDGES.full(prefix):
                if value is None:
                    model.edges.pop((message.key() or b"").decode(errors="replace"), None)
                else:
                    model.edge(decode_edge(message.key(), value))
            elif name == CONTROL.full(prefix):
                model.control.take(message.key(), value)
            elif name == CHANGES.full(prefix, generation):
                model.optouts.add(decode_change(value or b""))
            elif name == AUDIT.full(prefix):
                model.quarantined.note(value)
            else:
                model.quarantined.add(held_of(message))
        except WireError:
            model.unreadable[name] += 1


class _Left:
    """How much is left of what was there at the start."""

    def __init__(self, spans: Mapping[tuple[str, int], tuple[int, int]]) -> None:
        self.waiting = {place: span for place, span in spans.items() if span[0] < span[1]}
        self.total = sum(end - start for start, end in self.waiting.values())
        self._at = {place: start for place, (start, _) in self.waiting.items()}
        self._sizes = dict(self.waiting)

    @property
    def done(self) -> int:
        """Records read of `total`."""
        return sum(self._at[place] - start for place, (start, _) in self._sizes.items())

    def note(self, message: Message) -> None:
        """A record, or the end of a partition."""
        place = (message.topic(), message.partition())
        if place not in self.waiting or message.offset() is None:
            return
        _, end = self.waiting[place]
        if message.error() is not None:
            if message.error().code() != KafkaError._PARTITION_EOF:
                return
            self._at[place] = end  # markers of transactions may be the last there
        else:
            self._at[place] = min(end, message.offset() + 1)
        if self._at[place] >= end:
            del self.waiting[place]


class _Ends:
    """The ends of the topics whose rates are told."""

    def __init__(self, settings: Settings, generation: int) -> None:
        self._log_ends = LogEnds(lambda: AdminClient({**settings.librdkafka(), "log_level": 0}))
        self._declared = {topic.full(settings.topic_prefix, generation): topic.name for topic in COUNTED}
        self._places: list[tuple[str, int]] = []

    def ask(self) -> dict[str, dict[int, int]]:
        """By declared name and partition. Errors: KafkaException."""
        if not self._places:
            self._places = [(name, p) for name in self._declared for p in range(self._log_ends.partitions(name))]
        found: dict[str, dict[int, int]] = {name: {} for name in self._declared.values()}
        for (name, p), end in self._log_ends.get(self._places).items():
            found[self._declared[name]][p] = end
        return found


def _group(settings: Settings, admin: AdminClient, generation: int) -> Group:
    """The workers, as the group's coordinator tells. What it refuses is told beside the other figures."""
    suffix = f".g{generation}" if generation else ""
    name = f"{settings.topic_prefix}consent-stream{suffix}"
    events, ledger = (topic.full(settings.topic_prefix, generation) for topic in (EVENTS, LEDGER))
    try:
        told = admin.describe_consumer_groups([name], request_timeout=ANSWER_S)[name].result(ANSWER_S)
    except (KafkaException, TimeoutError) as error:
        return Group(trouble=_line(error))
    workers = []
    for member in told.members:
        mine = [place.topic for place in member.assignment.topic_partitions] if member.assignment else []
        who = member.group_instance_id or member.client_id
        workers.append(Worker(who, member.host.lstrip("/"), mine.count(events), mine.count(ledger)))
    return Group(told.state.name.lower().replace("_", " "), tuple(sorted(workers)))


def _open(settings: Settings) -> Any:
    return closing(consumer(settings))


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"


def _line(error: Exception) -> str:
    """One line, without what a record may hold."""
    if isinstance(error, KafkaException):
        return " ".join(str(error.args[0].str()).split())
    if isinstance(error, Unread | Unreachable | WireError):
        return " ".join(str(error).split())
    return type(error).__name__
