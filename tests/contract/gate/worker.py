"""Stands in for the worker: writes by hand what a gate reads, into topics of a fresh prefix."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from consent_stream.wire.control import Partitions, encode_partitions, encode_policy
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.stops import Stop, encode_stop
from tests.gate.made import beat

PARTITIONS = 4  # what the embedded broker gives every topic


class Worker:
    """One list, and the control topic, at `bootstrap` under `prefix`."""

    def __init__(self, bootstrap, prefix, channel="email"):
        self.bootstrap, self.prefix = bootstrap, prefix
        self.list, self.control = f"{prefix}suppression.{channel}", f"{prefix}consent.control"
        link = {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 0, "log_level": 2}
        self._producer = Producer({**link, "enable.idempotence": True})

    def start(self, tenants=None):
        """What a worker writes when it starts. (To partition 0: on the embedded broker the topic has four.)"""
        for key, value in (
            encode_policy(tenants or {"acme": {}}),
            encode_partitions(Partitions(PARTITIONS, PARTITIONS)),
        ):
            self._producer.produce(self.control, value, key, partition=0)
        self._producer.flush()

    def switch(self, on, tenant="acme", channel="email"):
        """The kill switch, as `stop-sending` and `resume` set it."""
        key, value = encode_stop(tenant, channel, Stop(on, "a test", "ana", 1))
        self._producer.produce(self.control, value, key, partition=0)
        self._producer.flush()

    def write(self, *rows, partition=-1):
        for key, value in rows:
            self._producer.produce(self.list, value, key, partition=partition)
        self._producer.flush()

    def beat(self, partitions=range(PARTITIONS), **about):
        for q in partitions:
            self._producer.produce(self.list, beat(q, **{"events": PARTITIONS, **about}), HEARTBEAT_KEY, partition=q)
        self._producer.flush()

    @contextmanager
    def beating(self, every=0.2, **about) -> Iterator[None]:
        """Heartbeats until the block ends."""
        stop = threading.Event()

        def run():
            while not stop.wait(every):
                self.beat(**about)

        self.beat(**about)
        heart = threading.Thread(target=run)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()
