"""The embedded broker: librdkafka's mock cluster, which ships inside the confluent-kafka wheel. No Java, no Docker."""

import socket
import threading
from typing import Self

from confluent_kafka import Producer

from consent_stream.dev.errors import DevError
from consent_stream.dev.ports import LOOPBACK, is_taken

BANNER = (
    "embedded broker: records live in this process's memory (about 5 MiB a partition) and are gone when it ends: "
    "no durability, no compaction, no topic settings, 4 partitions a topic. Never for real consent."
)
CHUNK = 64 * 1024


class EmbeddedBroker:
    """One mock Kafka broker on 127.0.0.1, alive as long as this object; other processes connect to it over TCP.

    port: a port for clients to start from. The mock chooses the one it advertises, and librdkafka has no setting for
    it, so a wanted port is a relay: a client's first connection goes through it, and the metadata it gets there name
    the broker's own port for the rest. Both are on loopback, so whoever reaches one reaches the other.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._mock: Producer | None = None
        self._relay: _Relay | None = None

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:PORT`, once started."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> Self:
        """Start; returns when it answers metadata requests.

        Errors: DevError when the wanted port is taken.
        """
        if self.port and is_taken(self.port):
            raise DevError(f"port {self.port} on {LOOPBACK} is taken: choose another --port")
        # The mock replaces the bootstrap servers, but the client wants some named. log_level: it announces itself.
        self._mock = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 3})
        (broker,) = self._mock.list_topics(timeout=10).brokers.values()
        if self.port:
            self._relay = _Relay(self.port, broker.port)
        else:
            self.port = broker.port
        return self

    def stop(self) -> None:
        """Stop; every record is gone."""
        if self._relay is not None:
            self._relay.close()
            self._relay = None
        self._mock = None  # the mock cluster lives exactly as long as its client

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class _Relay:
    """Copies bytes between clients of one loopback port and another port."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((LOOPBACK, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                broker = socket.create_connection((LOOPBACK, self._target))
            except OSError:  # the mock has ended: the client sees a closed connection and says so
                client.close()
                continue
            for source, sink in ((client, broker), (broker, client)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    except OSError:  # either side went away, which ends the connection for both
        pass
    finally:
        for each in (source, sink):
            each.close()
