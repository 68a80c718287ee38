"""Quix Streams: a stateful dataframe with its RocksDB state and changelog. Runs in an environment of its own."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

from typing import Any

from quixstreams import Application

from benchmarks.rivals.lap import FirstRecord, Lap
from benchmarks.rivals.merge import apply


def run(lap: Lap) -> None:
    app = Application(
        broker_address=lap.bootstrap,
        consumer_group=lap.name,
        auto_offset_reset="earliest",
        state_dir=str(lap.folder),
        loglevel="WARNING",
        producer_extra_config={
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "partitioner": "murmur2_random",
        },
    )
    source = app.topic(lap.source, value_deserializer="json", key_deserializer="bytes")
    output = app.topic(lap.output, value_serializer="json", key_serializer="bytes")
    first = FirstRecord()

    def merge(event: dict[str, Any], store: Any) -> dict[str, list[int]] | None:
        first()
        state = store.get("s") or {}
        if not apply(state, event):
            return None
        store.set("s", state)
        return state

    frame = app.dataframe(source)
    frame.apply(merge, stateful=True).filter(lambda state: state is not None).to_topic(output)
    app.run()


if __name__ == "__main__":
    run(Lap.from_argv())
