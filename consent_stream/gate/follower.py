"""The thread that keeps a replica up to date: all partitions by `assign`, nothing committed, nothing guessed."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from consent_stream.gate.clock import Clock
from consent_stream.gate.reading import Reading, Record
from consent_stream.gate.replica import Origin, ReplicaFault
from consent_stream.gate.source import Inspector, Lost, Source, Unfit, active_generation, log, open_consumer, places
from consent_stream.gate.traced import Applied
from consent_stream.settings import Settings

BATCH = 10_000  # records taken in at once: one transaction of the replica
IDLE_SECONDS = 0.1  # how long `close` may wait for a quiet topic
RETRY_SECONDS = 0.25  # a topic is often made moments after a mailer starts
GREETING_SECONDS = 0.5
RECHECK = 30_000_000  # microseconds between two looks at the topic's settings and id
# What a consumer is told when its offset is not in the topic (any more).
OFFSET_GONE = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)
TOPIC_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)


class Follower:
    """Reads a list into a reading until it is closed; whatever goes wrong shows there, and it begins again."""

    def __init__(
        self, settings: Settings, source: Source, reading: Reading, clock: Clock, applied: Applied | None = None
    ) -> None:
        self._settings, self._source, self._reading, self._clock = settings, source, reading, clock
        self._applied = applied  # while it follows: a list that is read from its beginning tells of no event's way
        self._source_of_first = source
        self.turn = 0  # odd while records are taken in: then more was heard of than is in the replica
        self.control_next = 0  # where consent.control is read on; what lies before is obeyed, between two turns
        self._behind: dict[tuple[str, int], int] = {}  # partitions whose end at the start has not been seen yet
        self._closing = threading.Event()
        # Daemon: a mailer that forgets to close its gate can still end.
        self._thread = threading.Thread(target=self._run, name=f"gate {source.suppression}", daemon=True)

    @property
    def list(self) -> str:
        """The topic that is followed, of the generation that is to be obeyed."""
        return self._source.suppression

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for the last record to be in the replica."""
        self._closing.set()
        self._reading.ending = True
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._session()
            except Unfit as error:
                self._reading.refuse(str(error))
            except Lost as error:
                self._begin_again(str(error), error.forget)
            except ReplicaFault as error:
                self._reading.refuse(str(error))
            except KafkaException as error:
                self._begin_again(error.args[0].str(), forget=False)
            except Exception as error:  # a fault of our own: seen in `status`, told in the log, and nothing allowed
                log.exception("gate on %s", self._source.suppression, extra={"topic": self._source.suppression})
                self._begin_again(f"{type(error).__name__}: see the log", forget=False)
            self._closing.wait(RETRY_SECONDS)

    def _begin_again(self, trouble: str, forget: bool) -> None:
        self._reading.reconnect(trouble)
        if forget:
            self._reading.alarms["rebuilt"] += 1
            self._reading.replica.clear()

    def _session(self) -> None:
        consumer = open_consumer(self._settings, self._on_error)
        try:
            if not self._greet(consumer):
                return
            self._source = self._source_of_first.at(active_generation(consumer, self._settings, self._source))
            inspector = Inspector(self._settings, self._source)
            origin = inspector.origin(consumer)
            kept = self._reading.begin(origin)
            ends = places(consumer, self._source.suppression, origin.partitions, kept)
            ends |= places(consumer, self._source.control, 1, {})
            listed = [(place, end) for place, end in ends.items() if place.topic == self._source.suppression]
            self._reading.expect(sum(end - place.offset for place, end in listed))
            consumer.assign(list(ends))
            self.control_next = next(place.offset for place in ends if place.topic == self._source.control)
            self._behind = {(place.topic, place.partition): end for place, end in ends.items()}
            self._follow(consumer, inspector, origin)
        finally:
            consumer.close()

    def _greet(self, consumer: Consumer) -> bool:
        """Wait for a broker to answer, with one client that keeps at it; False when closed meanwhile."""
        if self._reading.trouble is None:
            self._reading.interrupt(f"waiting for Kafka at {self._settings.bootstrap}")
        while not self._closing.is_set():
            try:
                consumer.list_topics(self._source.suppression, timeout=GREETING_SECONDS)
                return True
            except KafkaException as error:
                self._reading.interrupt(f"no Kafka answers at {self._settings.bootstrap}: {error.args[0].str()}")
            consumer.poll(0)  # runs `_on_error`, which knows more
        return False

    def _follow(self, consumer: Consumer, inspector: Inspector, origin: Origin) -> None:
        """Take in records until closed, or until the topic is no longer what it was."""
        recheck = self._clock.steady() + RECHECK
        watch = inspector.watch_control()
        while not self._closing.is_set():
            # Not `consume(n, timeout)` alone: it waits for n records or the timeout, and records would grow old.
            first = consumer.poll(IDLE_SECONDS)
            if first is not None:
                self._take_in([first, *consumer.consume(BATCH, 0)])
                self._see_generation()
            self._reading.pulse()
            self._reading.control_proven(watch.proven(self.control_next, self._clock.steady()))
            if self._clock.steady() > recheck and self._reading.trouble is None:
                self._check_again(consumer, inspector, origin)
                recheck = self._clock.steady() + RECHECK

    def _see_generation(self) -> None:
        """The list may not be the one to obey any more: then it is over, and none of the new one is known yet."""
        told = self._reading.control
        if told.active not in (told.generation, None) and (self._source.control, 0) not in self._behind:
            raise Lost(f"generation {told.active} is to be obeyed now")

    def _check_again(self, consumer: Consumer, inspector: Inspector, origin: Origin) -> None:
        """The list may have been made anew, or told to forget, while we read it."""
        self._reading.reclaim()
        try:
            now = inspector.origin(consumer)
        except Lost as error:  # Kafka does not answer: that ends no session, staleness tells how it stands
            self._reading.interrupt(str(error))
            return
        if now != origin:
            raise Lost(f"topic {origin.topic} was made anew", forget=True)

    def _take_in(self, messages: Sequence[Message]) -> None:
        records = [message for message in messages if message.error() is None]
        if records:
            self.turn += 1
            try:
                self._take(records)
            finally:
                self.turn += 1
        if len(records) < len(messages):
            for message in messages:
                if (error := message.error()) is not None:
                    self._heed(error, message)
        if self._behind and records:
            # There may be no sign of the end where records never cease.
            for place, offset in {(each.topic(), each.partition()): each.offset() for each in records}.items():
                if offset + 1 >= self._behind.get(place, offset + 2):
                    del self._behind[place]
        if not self._behind and self._reading.phase == "catching up":
            self._reading.caught_up()

    def _take(self, messages: Sequence[Message]) -> None:
        name = self._source.control
        control = [each for each in messages if each.topic() == name]
        lists = [each for each in messages if each.topic() != name] if control else messages
        if control:
            self.control_next = control[-1].offset() + 1
            self._reading.take_control(
                [Record(each.partition(), each.offset(), each.key(), each.value()) for each in control]
            )
        if lists:
            records = [(each.partition(), each.offset(), each.key(), each.value()) for each in lists]
            began = self._clock.wall() * 1000
            self._reading.take(records, self._clock.wall(), self._clock.steady())
            if self._applied is not None and self._reading.phase == "following":
                self._applied.taken(self._source.suppression, records, began)
        if self._reading.trouble is not None:
            self._reading.interrupt(None)

    def _heed(self, error: KafkaError, message: Message) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            if message.topic() == self._source.control:  # records that compaction took leave no other sign
                self.control_next = max(self.control_next, message.offset())
            self._behind.pop((message.topic(), message.partition()), None)
        elif code in OFFSET_GONE:
            raise Lost(f"topic {message.topic()}, partition {message.partition()}: the offset is gone", forget=True)
        elif code in TOPIC_GONE:
            raise Lost(f"topic {message.topic()}: {error.str()}")
        else:
            self._reading.interrupt(f"topic {message.topic()}: {error.str()}")

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka's own reports: a broker that went away comes back by itself, and staleness says how it stands."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # why they are was told before, such as a certificate
            self._reading.interrupt(" ".join(error.str().split()))
