"""Faust as it comes: one event at a time, `table[key] = …`, RocksDB through rocksdict. Option: the store's URL."""

from __future__ import annotations

import sys
from typing import Any

import faust
import orjson

from benchmarks.rivals.lap import FirstRecord, Lap
from benchmarks.rivals.merge import apply


def build(lap: Lap) -> faust.App:
    app = faust.App(
        lap.name,
        broker=f"kafka://{lap.bootstrap}",
        store=lap.option,
        datadir=str(lap.folder),
        topic_partitions=lap.partitions,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        worker_redirect_stdouts=False,
        web_enabled=False,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    source = app.topic(lap.source, **raw)
    output = app.topic(lap.output, **raw)
    table = app.Table("race", partitions=lap.partitions, key_type=bytes, value_type=bytes)
    first = FirstRecord()

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def race(stream: Any) -> None:
        async for event in stream.events():
            first()
            row = table.get(event.key)
            state = orjson.loads(row) if row else {}
            if apply(state, orjson.loads(event.value)):
                row = orjson.dumps(state)
                table[event.key] = row
                await output.send(key=event.key, value=row)

    return app


if __name__ == "__main__":
    built = build(Lap.from_argv())
    sys.argv = [sys.argv[0], "worker", "-l", "info", "--without-web"]
    built.main()
