"""What the engine needs to know to make Kafka clients: one object hands out settings for both client libraries."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Protocol

#: librdkafka's own lines go here instead of straight to stderr.
client_log = logging.getLogger("consent_stream.engine.kafka")


class KafkaClients(Protocol):
    """Settings of every Kafka client of one process. `settings.Settings` is one; `PlainKafka` the smallest."""

    @property
    def bootstrap(self) -> str:
        """Comma-separated host:port list."""

    def producer(self, **over: Any) -> dict[str, Any]:
        """confluent-kafka settings of a producer, with the Java partitioner."""

    def consumer(self, **over: Any) -> dict[str, Any]:
        """confluent-kafka settings of a consumer."""

    def librdkafka(self) -> dict[str, Any]:
        """confluent-kafka settings any client shares."""

    def aiokafka(self) -> dict[str, Any]:
        """Faust settings `broker_credentials` and `ssl_context`; empty for plaintext."""


@dataclass(frozen=True)
class PlainKafka:
    """Plaintext clients for a broker on loopback: tests, benchmarks, the embedded broker."""

    bootstrap: str

    def librdkafka(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap}

    def producer(self, **over: Any) -> dict[str, Any]:
        return {**self.librdkafka(), "partitioner": "murmur2_random", "message.max.bytes": 4 << 20, **over}

    def consumer(self, **over: Any) -> dict[str, Any]:
        return {**self.librdkafka(), **over}

    def aiokafka(self) -> dict[str, Any]:
        return {}
