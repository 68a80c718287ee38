"""Which cluster and which incarnation of a topic an offset belongs to: a topic made anew starts again at offset 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from .kafka import KafkaClients, client_log

#: librdkafka's mock cluster names itself so. It answers neither DescribeCluster nor DescribeTopics: no topic ids.
_EMBEDDED = "mockCluster"


class Identity:
    """Blocking look-ups against the cluster. The client is kept: a collected AdminClient destroys its own futures."""

    def __init__(self, kafka: KafkaClients, timeout: float = 30.0) -> None:
        self._admin = AdminClient({**kafka.librdkafka(), "log_level": 2}, logger=client_log)
        self._timeout = timeout
        self._cluster: str | None = None
        self._kafka = kafka
        self._reader: Consumer | None = None

    def cluster(self, timeout: float | None = None) -> str:
        """The cluster id. Errors: KafkaException when no broker answers within `timeout` s."""
        if self._cluster is None:
            found = self._admin.list_topics(timeout=timeout or self._timeout).cluster_id
            self._cluster = str(found)
        return self._cluster

    @property
    def embedded(self) -> bool:
        """An embedded broker: memory only, no topic ids, transactions accepted but neither isolated nor fenced."""
        return self.cluster().startswith(_EMBEDDED)

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Partition counts; 0 for a topic that does not exist. (On the embedded broker asking makes it.)"""
        if self.embedded:
            return {topic: self._count(topic) for topic in topics}
        listed = self._admin.list_topics(timeout=self._timeout).topics
        return {topic: len(listed[topic].partitions) if topic in listed else 0 for topic in topics}

    def _count(self, topic: str) -> int:
        return len(self._admin.list_topics(topic, timeout=self._timeout).topics[topic].partitions)

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Topic id by name. On the embedded broker the cluster id stands in: topics there live as long as it does."""
        names = sorted(set(topics))
        if self.embedded:
            return dict.fromkeys(names, self.cluster())
        if not names:
            return {}
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=self._timeout)
        return {name: str(self._answer(asked[name]).topic_id) for name in names}

    def ids_if_there(self, topics: Iterable[str]) -> dict[str, str | None]:
        """As `topic_ids`, with None for a topic that does not exist."""
        names = sorted(set(topics))
        if self.embedded or not names:
            return dict(self.topic_ids(names))
        asked = self._admin.describe_topics(TopicCollection(names), request_timeout=self._timeout)
        return {name: self._id_if_there(asked[name]) for name in names}

    def _id_if_there(self, asked: Any) -> str | None:
        try:
            return str(self._answer(asked).topic_id)
        except KafkaException as exc:
            if exc.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise

    def _answer(self, asked: Any) -> Any:
        """What a future of the client gives. Errors: KafkaException, also where nobody answers in time."""
        try:
            return asked.result(self._timeout)
        except TimeoutError as exc:  # a broker that is still there may know no controller for longer than that
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no controller told the ids of topics")) from exc

    def watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """(first offset, offset of the next record) of a partition."""
        if self._reader is None:
            over = {"group.id": "watermarks-unused", "enable.auto.commit": False}  # no group is joined
            self._reader = Consumer(self._kafka.consumer(**over), logger=client_log)
        low, high = self._reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=self._timeout)
        return low, high
