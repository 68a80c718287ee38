"""The declared topics and a cluster: read, compare, make, put right. The worker's check at start is here too."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from consent_stream.settings import Settings, SettingsError
from consent_stream.wire.control import ACTIVE, FIRST, decode_active, decode_topics, named
from consent_stream.wire.control import TOPICS as CONTROL_TOPICS
from consent_stream.wire.topics import (
    CONTROL,
    EVENTS,
    LEDGER,
    STATE,
    SUPPRESSION,
    TOPICS,
    Difference,
    LiveTopic,
    Topic,
    differences,
    fatal,
    torn,
)

TIMEOUT = 10.0  # seconds for one answer; a broker far away with TLS and SASL takes two or three to say hello
GLANCE = 1.0  # seconds between two looks whether the link itself was refused
REFUSALS = (KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED)
EMBEDDED_CLUSTER = "mockCluster"  # librdkafka's mock cluster gives itself an id that begins so
SIMULATED_PREFIX = "sim-"  # topics made to run scenarios through a worker; never of a deployment


class Unreachable(Exception):
    """Kafka did not answer; the text is one line that names the bootstrap servers."""


class TopicsRefused(Exception):
    """The topics are not fit to be worked on. differences: what is wrong, each with its reason."""

    def __init__(self, found: Sequence[Difference]) -> None:
        self.differences = tuple(found)
        more = f" (and {len(found) - 1} more: consent-stream topics diff)" if len(found) > 1 else ""
        super().__init__(f"{found[0]}{more}")


@dataclass(frozen=True)
class Cluster:
    """What a cluster has of our topics. embedded: the memory-only broker, which knows no topic settings."""

    live: Mapping[str, LiveTopic]
    brokers: int
    embedded: bool


class TopicAdmin:
    """Admin calls on the declared topics of one prefix and generation."""

    def __init__(self, settings: Settings, generation: int = 0) -> None:
        self._prefix, self._generation = settings.topic_prefix, generation
        self._bootstrap = settings.bootstrap
        # Kept as long as this object: an AdminClient that goes before its futures resolve fails them with _DESTROY.
        self._refusal: str | None = None  # what a broker said of our password, or we of its certificate
        self._admin = AdminClient({**settings.librdkafka(), "log_level": 0, "error_cb": self._on_error})

    def read(self) -> Cluster:
        """What is there now. On the embedded broker, asking for a topic makes it.

        Errors: Unreachable.
        """
        names = [topic.full(self._prefix, self._generation) for topic in TOPICS]
        metadata = self._metadata()
        embedded = str(metadata.cluster_id).startswith(EMBEDDED_CLUSTER)
        if embedded:
            found = {name: self._metadata(name).topics[name] for name in names}
        else:
            found = {name: metadata.topics[name] for name in names if name in metadata.topics}
        configs = {} if embedded else self._configs(list(found))
        live = {
            name: LiveTopic(
                partitions=len(topic.partitions),
                replication=min((len(each.replicas) for each in topic.partitions.values()), default=0),
                config=configs.get(name),
            )
            for name, topic in found.items()
        }
        return Cluster(live, len(metadata.brokers), embedded)

    def diff(self) -> list[Difference]:
        """What is not as declared.

        Errors: Unreachable.
        """
        return differences(self.read().live, self._prefix, self._generation)

    def create(self, partitions: Mapping[Topic, int], replication: int) -> set[str]:
        """Make topics (topic → partition count), wait until the brokers know them; the full names of those made.

        One that exists is left alone.

        Errors: KafkaException as the broker says; Unreachable when they do not appear in time.
        """
        new = [
            NewTopic(topic.full(self._prefix, self._generation), count, replication, config=topic.settings(replication))
            for topic, count in partitions.items()
        ]
        if not new:
            return set()
        made = set()
        answers = self._admin.create_topics(new, operation_timeout=TIMEOUT, request_timeout=TIMEOUT)
        for name, future in answers.items():
            try:
                future.result()
                made.add(name)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else made it meanwhile
                    raise
        self._await_known(set(answers))
        return made

    def _await_known(self, names: set[str]) -> None:
        """The controller's yes comes before a broker lists the topics and their leaders."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            topics = self._metadata().topics
            if all(name in topics and _is_led(topics[name]) for name in names):
                return
            time.sleep(0.05)
        raise Unreachable(f"{self._bootstrap}: new topics did not appear within {TIMEOUT:.0f} s")

    def alter(self, topic: str, settings: Mapping[str, str]) -> None:
        """Set some settings of a topic (full name); the others stay as they are.

        Errors: KafkaException as the broker says.
        """
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        (future,) = self._admin.incremental_alter_configs([resource], request_timeout=TIMEOUT).values()
        future.result()

    def has(self, topic: Topic) -> bool:
        """Whether it is there, by its name alone: its settings are not everyone's to read. Errors: Unreachable."""
        return topic.full(self._prefix, self._generation) in self._metadata().topics

    def reach(self) -> None:
        """Return when a broker answers. Errors: Unreachable."""
        self._metadata()

    def _metadata(self, topic: str | None = None) -> Any:
        deadline = time.monotonic() + TIMEOUT
        while True:
            left = max(0.1, min(GLANCE, deadline - time.monotonic()))
            try:
                return self._admin.list_topics(topic, timeout=left) if topic else self._admin.list_topics(timeout=left)
            except KafkaException as error:
                self._admin.poll(0)  # runs `_on_error`
                # No patience mends a wrong password or certificate, and asking on is a storm of attempts.
                if self._refusal is not None:
                    raise Unreachable(f"no link to Kafka at {self._bootstrap}: {self._refusal}") from error
                if time.monotonic() >= deadline:
                    raise Unreachable(f"no Kafka answers at {self._bootstrap}: {error.args[0].str()}") from error

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in REFUSALS:
            self._refusal = " ".join(error.str().split())

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        described = self._admin.describe_configs(resources, request_timeout=TIMEOUT)
        return {
            resource.name: {name: entry.value for name, entry in future.result().items()}
            for resource, future in described.items()
        }


def _is_led(topic: Any) -> bool:
    return bool(topic.partitions) and all(each.leader >= 0 for each in topic.partitions.values())


def check_topics(settings: Settings, generation: int = 0, *, simulated_time: bool = False) -> Cluster:
    """What a worker does before it starts: the cluster, if every topic is there and none could lose a "no".

    simulated_time: `consent.events` may carry its sender's clock, as scenarios need that lie in the past. Only for a
    prefix that begins with `sim-`, so that no deployment can trust senders by a flag that slipped in.

    Errors: Unreachable; TopicsRefused with every fatal difference; SettingsError for simulated time elsewhere.
    """
    if simulated_time and not settings.topic_prefix.startswith(SIMULATED_PREFIX):
        raise SettingsError("topic_prefix", f"simulated time is for prefixes that begin with {SIMULATED_PREFIX}")
    cluster = TopicAdmin(settings, generation).read()
    found = fatal(differences(cluster.live, settings.topic_prefix, generation))
    if simulated_time:
        clock = (EVENTS.full(settings.topic_prefix), "message.timestamp.type")
        found = [each for each in found if (each.topic, each.setting) != clock]
    if found:
        raise TopicsRefused(found)
    return cluster


def check_incarnations(settings: Settings, control: Mapping[bytes, bytes], generation: int = 0) -> dict[str, str]:
    """The topic ids of ledger, state and lists, to be recorded in `consent.control`, if they still belong together.

    `control`: as of `read_control`. Errors: KafkaException when Kafka does not answer; TopicsRefused when some were
    made anew and others not; WireError when the record cannot be read.
    """
    prefix = settings.topic_prefix
    names = [topic.full(prefix, generation) for topic in (LEDGER, STATE, *SUPPRESSION.values())]
    admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    asked = admin.describe_topics(TopicCollection(names), request_timeout=TIMEOUT)
    found = {name: str(asked[name].result(TIMEOUT).topic_id) for name in names}
    known = control.get(named(CONTROL_TOPICS, generation))
    why = torn(decode_topics(known), found, prefix, generation) if known is not None else None
    if why:
        raise TopicsRefused([Difference(names[0], "incarnation", "of the others", "another", True, why)])
    return found


def active_generation(settings: Settings) -> int:
    """Whose lists the gates obey, as `consent.control` says; the first, where that topic is not there yet.

    Errors: Unreachable, or KafkaException, when Kafka does not answer; WireError when the record cannot be read.
    """
    if not TopicAdmin(settings).has(CONTROL):
        return FIRST.generation
    told = read_control(settings).get(ACTIVE)
    return FIRST.generation if told is None else decode_active(told).generation


def read_control(settings: Settings) -> dict[bytes, bytes]:
    """The newest value of every name in `consent.control`. Errors: KafkaException when Kafka does not answer."""
    return {key: value for key, value in read_control_whole(settings).items() if value is not None}


def read_control_whole(settings: Settings) -> dict[bytes, bytes | None]:
    """As `read_control`, with the names whose newest value is null: to some readers a null says something."""
    control = TopicPartition(CONTROL.full(settings.topic_prefix), 0)
    newest: dict[bytes, bytes | None] = {}
    reader = Consumer(settings.consumer(**{"group.id": "control-unused", "log_level": 0}))  # no group is joined
    try:
        control.offset, end = reader.get_watermark_offsets(control, timeout=TIMEOUT)
        reader.assign([control])
        deadline = time.monotonic() + TIMEOUT
        while control.offset < end:
            message = reader.poll(0.2)
            if message is None:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
                continue
            if message.error() is not None:
                raise KafkaException(message.error())
            control.offset = message.offset() + 1
            key, value = message.key(), message.value()
            if key is not None:
                newest[key] = value
    finally:
        reader.close()
    return newest
