"""The Kafka side of a gate: is this topic fit to be obeyed, where does it begin, and where does it end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from consent_stream.gate.controlwatch import ControlWatch
from consent_stream.gate.replica import Origin
from consent_stream.logends import LogEnds
from consent_stream.settings import Settings
from consent_stream.topics import EMBEDDED_CLUSTER, read_control
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import ACTIVE, FIRST, decode_active
from consent_stream.wire.topics import CONTROL, SUPPRESSION, of_generation

TIMEOUT = 10.0  # seconds for one answer
RECONNECT_MS = 1000  # a mailer must not stay stale for much longer than its Kafka was away
FETCH_WAIT_MS = 20  # how long a broker may hold back an empty answer: a part of click → enforced

log = logging.getLogger("consent_stream.gate")


class Unfit(Exception):
    """The topic must not be obeyed as it is. The text says what is wrong and what to do."""


class Lost(Exception):
    """The session with Kafka must begin anew. forget: what was read is no longer in the topic."""

    def __init__(self, text: str, *, forget: bool = False) -> None:
        super().__init__(text)
        self.forget = forget


class Source(NamedTuple):
    """Names of what a gate reads."""

    suppression: str
    control: str

    @classmethod
    def of(cls, channel: str, prefix: str) -> Source:
        """Those of the first generation. Errors: ValueError for a channel that has no list."""
        if channel not in SUPPRESSION:
            raise ValueError(f"channel {channel!r} is none of {', '.join(SUPPRESSION)}")
        return cls(SUPPRESSION[channel].full(prefix), CONTROL.full(prefix))

    def at(self, generation: int) -> Source:
        """Those of another generation."""
        return self._replace(suppression=of_generation(self.suppression, generation))


def active_generation(consumer: Consumer, settings: Settings, source: Source) -> int:
    """Whose list is to be obeyed. Where the control topic is not there yet, the first: `Inspector` says what is wrong.

    Errors: KafkaException; Unfit when the record of it cannot be read.
    """
    found = consumer.list_topics(source.control, timeout=TIMEOUT).topics.get(source.control)
    if found is None or found.error is not None or not found.partitions:
        return FIRST.generation
    record = read_control(settings).get(ACTIVE)
    try:
        return FIRST.generation if record is None else decode_active(record).generation
    except WireError as error:
        raise Unfit(f"topic {source.control}: {error}") from error


class Inspector:
    """Look-ups that block. The client is kept: a collected AdminClient fails its own futures."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self._source = source
        self._conf = {**settings.librdkafka(), "log_level": 2, "reconnect.backoff.max.ms": RECONNECT_MS}
        self._admin = self._connect()
        self._bootstrap = settings.bootstrap

    def origin(self, consumer: Consumer) -> Origin:
        """Which incarnation of the list there is, once it is proven that no record of it may expire.

        Errors: Lost when Kafka or a topic is not there; Unfit when the list may forget, or nobody may know.
        """
        name = self._source.suppression
        try:
            # A consumer's question, for an AdminClient's would make a missing topic where brokers allow that.
            listed = {topic: consumer.list_topics(topic, timeout=TIMEOUT) for topic in self._source}
        except KafkaException as error:
            raise Lost(f"no Kafka answers at {self._bootstrap}: {error.args[0].str()}") from error
        for topic, metadata in listed.items():
            found = metadata.topics.get(topic)
            if found is None or found.error is not None or not found.partitions:
                why = "not there" if found is None or found.error is None else found.error.str()
                raise Lost(f"topic {topic}: {why} (consent-stream topics apply makes it)")
        cluster, partitions = str(listed[name].cluster_id), len(listed[name].topics[name].partitions)
        if cluster.startswith(EMBEDDED_CLUSTER):
            return Origin(cluster, name, cluster, partitions)
        self._refuse_if_it_forgets(name)
        return Origin(cluster, name, self._topic_id(name), partitions)

    def watch_control(self) -> ControlWatch:
        """For one session: whether all of the control topic is read."""
        return ControlWatch(LogEnds(self._connect), self._source.control)

    def _connect(self) -> AdminClient:
        return AdminClient(self._conf, logger=log)

    def _refuse_if_it_forgets(self, name: str) -> None:
        resource = ConfigResource(ResourceType.TOPIC, name)
        asked = self._admin.describe_configs([resource], request_timeout=TIMEOUT)[resource]
        settings: Mapping[str, Any] = _answer(asked, f"the settings of topic {name}", "DescribeConfigs")
        policy = settings["cleanup.policy"].value
        if policy.replace(" ", "") != "compact":
            raise Unfit(f"topic {name}: cleanup.policy is {policy}, not compact: a 'no' could expire")

    def _topic_id(self, name: str) -> str:
        asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT)[name]
        return str(_answer(asked, f"topic {name}", "Describe").topic_id)


def _answer(future: Any, what: str, permission: str) -> Any:
    try:
        return future.result(TIMEOUT + 1)
    except (KafkaException, TimeoutError) as error:
        code = error.args[0].code() if isinstance(error, KafkaException) else None
        if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            raise Unfit(f"{what} may not be read: grant {permission} to this mailer") from error
        raise Lost(f"{what}: Kafka does not answer") from error


def open_consumer(settings: Settings, on_error: Any) -> Consumer:
    """A consumer that is only ever assigned: it joins no group and commits nothing."""
    over = {
        "group.id": "consent-stream-gate",
        "client.id": "consent-stream-gate",
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "fetch.min.bytes": 1,
        "fetch.error.backoff.ms": 50,
        "reconnect.backoff.max.ms": RECONNECT_MS,
        "queued.max.messages.kbytes": 32 * 1024,
        "fetch.queue.backoff.ms": 10,  # by itself a full queue is left alone for a second, and is empty long before
        "enable.partition.eof": True,  # the only sign of the end that also counts transaction markers
        "allow.auto.create.topics": False,
        "log_level": 2,
        "error_cb": on_error,
    }
    return Consumer(settings.consumer(**over), logger=log)


def places(consumer: Consumer, topic: str, partitions: int, kept: Mapping[int, int]) -> dict[TopicPartition, int]:
    """Where to read each partition from, and its end now: where the replica stopped, else where the topic begins.

    Errors: Lost, to forget when what is kept lies outside of the topic.
    """
    found = {}
    for partition in range(partitions):
        place = TopicPartition(topic, partition)
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=TIMEOUT)
        except KafkaException as error:
            raise Lost(f"topic {topic}: {error.args[0].str()}") from error
        place.offset = kept.get(partition, low)
        if not low <= place.offset <= high:
            raise Lost(f"topic {topic}, partition {partition}: offset {place.offset} is gone", forget=True)
        found[place] = high
    return found
