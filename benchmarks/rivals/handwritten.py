"""A confluent-kafka loop as one writes it by hand: consume a batch, merge, produce, flush, commit.

State is a dict: there is no store and no restore, so this is the ceiling of the client library, not an engine.
"""

from __future__ import annotations

import signal

import orjson
from confluent_kafka import Consumer, KafkaException, Producer

from benchmarks.rivals.lap import FirstRecord, Lap
from benchmarks.rivals.merge import State, apply

BATCH = 2_000


def run(lap: Lap) -> None:
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    consumer = Consumer(
        {
            "bootstrap.servers": lap.bootstrap,
            "group.id": lap.name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": lap.bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "acks": "all",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    first = FirstRecord()
    states: dict[bytes, State] = {}
    consumer.subscribe([lap.source])
    while not stop:
        messages = consumer.consume(BATCH, 0.1)
        if not messages:
            continue
        first()
        changed: dict[bytes, State] = {}
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            key = message.key()
            state = states.setdefault(key, {})
            if apply(state, orjson.loads(message.value())):
                changed[key] = state
        for key, state in changed.items():
            producer.produce(lap.output, key=key, value=orjson.dumps(state))
        if producer.flush(30):
            raise RuntimeError("outputs unproven after 30 s")
        consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    run(Lap.from_argv())
