"""Sends on their way to `consent.sends`: a bounded queue, and a count of what was lost. Nothing here holds up a send.

1. One idempotent producer a gate and process, made at the first record. A forked child makes its own. (Fork before
   there are clients of Kafka, or while they are at rest: where a thread just asks for a name, glibc's lock of
   `getaddrinfo` is taken along for good, and nothing in the child reaches Kafka. What is lost by it is counted.)
2. While Kafka is away records wait, `MOST_WAITING` of them or `MOST_WAITING_KIB`; beyond that the newest are lost.
3. What is lost is counted (`lost`, alarm `sends_lost` of `Gate.status`) and told in the log; closing waits
   `FLUSH_SECONDS` at most, and counts what is left.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import socket
import threading
import uuid
from typing import Any
from weakref import WeakSet

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.settings import Settings
from consent_stream.wire.send import Send, encode_send
from consent_stream.wire.topics import SENDS

MOST_WAITING = 100_000  # records, some 600 bytes each
MOST_WAITING_KIB = 128 * 1024
FLUSH_SECONDS = 5.0
TELL_EVERY = 1000  # lost records between two lines in the log

log = logging.getLogger("consent_stream.gate")


class KafkaSendLog:
    """Writes what became of messages to `consent.sends`. Any thread may call it; nothing is raised, nothing waits.

    most_waiting: records that may wait for Kafka. flush_seconds: how long `close` may wait for it.
    """

    def __init__(
        self, settings: Settings, *, most_waiting: int = MOST_WAITING, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self._settings, self._topic = settings, SENDS.full(settings.topic_prefix)
        self._most_waiting, self._flush_seconds = most_waiting, flush_seconds
        self.sender = settings.sender or socket.gethostname()
        self._closed = False
        self.begin()
        _EVERY.add(self)

    def begin(self) -> None:
        """Start with nothing waiting and nothing lost, as a gate of its own: also what a forked child does."""
        self.gate = uuid.uuid4().hex
        self._lost = 0
        self._lock, self._count_lock = threading.Lock(), threading.Lock()
        self._producer: Producer | None = None

    @property
    def lost(self) -> int:
        """Records that are not in the topic and never will be, as far as that is known by now."""
        if (producer := self._producer) is not None:
            producer.poll(0)  # a mailer that is quiet would not hear of what became of its last records
        return self._lost

    @property
    def waiting(self) -> int:
        """Records that Kafka has not confirmed yet."""
        producer = self._producer
        return 0 if producer is None else len(producer)

    def write(self, send: Send) -> None:
        """Take one record; it is sent in the background."""
        try:
            self._produce(send.keys[0] if send.keys else None, encode_send(send), _milliseconds(send.ended))
        except BufferError:
            self._lose("the queue is full")
        except KafkaException as error:
            self._lose(error.args[0].str())
        except Exception as error:  # a defect of ours must not end somebody's campaign; it is counted and told
            log.exception("a send could not be written")
            self._lose(type(error).__name__)

    def close(self) -> None:
        """Wait for what is on its way, within bounds. What comes later is lost, and counted."""
        with self._lock:
            producer, self._producer, self._closed = self._producer, None, True
        if producer is None:
            return
        atexit.unregister(self.close)
        self._end(producer)

    def _end(self, producer: Producer) -> None:
        if producer.flush(self._flush_seconds):
            producer.purge()
            producer.flush(1.0)  # the reports of what was purged: each is counted
            _keep_for_ever(producer)

    def _produce(self, key: bytes | None, value: bytes, timestamp: int) -> None:
        producer = self._connect()
        producer.poll(0)  # reports of earlier records; they take room in the queue until they are read
        try:
            producer.produce(self._topic, value, key, on_delivery=self._report, timestamp=timestamp)
        except KafkaException as error:
            if not error.args[0].fatal():
                raise
            self._replace(producer)
            self._connect().produce(self._topic, value, key, on_delivery=self._report, timestamp=timestamp)

    def _connect(self) -> Producer:
        if (producer := self._producer) is not None:
            return producer
        with self._lock:
            if self._closed:
                raise KafkaException(KafkaError(KafkaError._DESTROY, "the gate is closed"))
            if self._producer is None:
                self._producer = Producer(self._configuration(), logger=log)
                atexit.register(self.close)  # a mailer that forgets to close its gate loses no record by it
            return self._producer

    def _configuration(self) -> dict[str, Any]:
        return self._settings.producer(**{
            "client.id": "consent-stream-sends",
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": self._most_waiting,
            "queue.buffering.max.kbytes": MOST_WAITING_KIB,
            "message.timeout.ms": 0,  # as long as it takes: the queue is what is bounded
            "reconnect.backoff.max.ms": 1000,
            "log_level": 2,
        })  # fmt: skip

    def _replace(self, broken: Producer) -> None:
        """An idempotent producer that lost its place in the sequence takes nothing more. (KIP-360)"""
        with self._lock:
            if self._producer is broken:
                self._producer = None
                atexit.unregister(self.close)
        broken.purge()
        broken.poll(0)

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._lose(error.str())

    def _lose(self, why: str) -> None:
        with self._count_lock:
            self._lost += 1
            lost = self._lost
        if lost % TELL_EVERY == 1:
            log.error("a record of a send is lost, %s so far: %s", lost, why, extra={"lost": lost})


def _milliseconds(instant: int) -> int:
    return max(0, instant // 1000)


_EVERY: WeakSet[KafkaSendLog] = WeakSet()


def _keep_for_ever(producer: Producer) -> None:
    """Destroying a client waits for its threads: one may hang in a name server's answer, a parent's are not here."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(producer))


def _forget_what_the_parent_had() -> None:
    for each in _EVERY:
        if each._producer is not None:
            _keep_for_ever(each._producer)
            atexit.unregister(each.close)
        each.begin()


os.register_at_fork(after_in_child=_forget_what_the_parent_had)
