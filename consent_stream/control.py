"""Records to `consent.control` and `consent.audit`, each proven by Kafka before anything rests on it.

The audit comes first: what nobody can look up later must not happen.
"""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.settings import Settings
from consent_stream.wire.edges import ForgottenEdge, encode_forgotten
from consent_stream.wire.stops import Stop, encode_audit, encode_stop
from consent_stream.wire.topics import AUDIT, CONTROL, EDGES, Topic

SECONDS = 30  # for Kafka to take them


def publish_control(settings: Settings, records: Iterable[tuple[bytes, bytes]]) -> int:
    """Tell every gate, and the next worker, what belongs together: partitions, policy, keys, topics, switches.

    Returns: the offset of the last record. Errors: KafkaException when the broker does not take it.
    """
    return _proven(settings, CONTROL, records)


def publish_audit(settings: Settings, records: Iterable[bytes]) -> int:
    """Say in `consent.audit` what is about to be done.

    Returns: the offset of the last record. Errors: KafkaException when the broker does not take it.
    """
    return _proven(settings, AUDIT, ((None, record) for record in records))


def set_switch(settings: Settings, tenant: str, channel: str, stop: Stop) -> int:
    """Turn the kill switch of what `tenant` and `channel` cover (a name or `*`), after saying so in the audit.

    Returns: the offset of the switch in `consent.control`: gates that have read beyond it obey.
    Errors: KafkaException; ValueError for a channel that has no list.
    """
    record = encode_stop(tenant, channel, stop)
    publish_audit(settings, [encode_audit(tenant, channel, stop)])
    return publish_control(settings, [record])


def forget_edge(settings: Settings, forgotten: ForgottenEdge) -> int:
    """Let the lists wait no longer for what an edge still has on its disk, after saying so in the audit.

    Returns: the offset in `consent.edges`. Errors: KafkaException.
    """
    publish_audit(settings, [encode_forgotten(forgotten)])
    return _proven(settings, EDGES, [(forgotten.id.encode(), None)])


def _proven(settings: Settings, topic: Topic, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    # A record whose time is over must not come later all the same: whoever was told of a failure acts on it.
    over = {"message.timeout.ms": SECONDS * 1000, "log_level": 2}
    producer = Producer(settings.producer(**over))
    failed: list[KafkaError] = []
    last = -1

    def report(error: KafkaError | None, message: Message) -> None:
        nonlocal last
        if error is not None:
            failed.append(error)
        else:
            last = max(last, message.offset() or 0)

    for key, value in records:  # on the embedded broker the topic has more partitions; nobody reads those
        producer.produce(topic.full(settings.topic_prefix), value, key, 0, on_delivery=report)
    if producer.flush(SECONDS + 1) or failed:
        raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))
    return last
