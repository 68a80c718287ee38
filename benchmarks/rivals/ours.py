"""consent_stream.engine: one table stage. Option: `fenced` (a transaction per slice) or `unfenced`."""

from __future__ import annotations

import gc
from typing import Any

import orjson

from benchmarks.rivals.lap import FirstRecord, Lap
from benchmarks.rivals.merge import apply
from consent_stream.engine import PlainKafka, SliceApp, SliceSchema, run


def build(lap: Lap) -> SliceApp:
    """The app of one lap: source → table `race` and its changelog → output, one slice at a time."""
    app = SliceApp(
        lap.name,
        kafka=PlainKafka(lap.bootstrap),
        datadir=str(lap.folder),
        fence=lap.option == "fenced",
        outputs=[lap.output],
    )
    table = app.Table("race", partitions=lap.partitions, changelog=lap.changelog, sources=[lap.source])
    first = FirstRecord()

    @app.agent(app.topic(lap.source, schema=SliceSchema(), partitions=lap.partitions))  # type: ignore[untyped-decorator]
    async def race(stream: Any) -> None:
        async for piece in stream:
            first()
            events: dict[bytes, list[bytes]] = {}
            for record in piece.records:
                events.setdefault(record.key, []).append(record.value)
            async with table.unit(piece) as unit:
                for (key, values), row in zip(events.items(), unit.load(list(events)), strict=True):
                    state = orjson.loads(row) if row else {}
                    grew = False
                    for value in values:
                        grew |= apply(state, orjson.loads(value))
                    if grew:
                        row = orjson.dumps(state)
                        unit.put(key, row)
                        unit.emit(lap.output, key, row)

    return app


if __name__ == "__main__":
    gc.set_threshold(100_000, 20, 100)  # as the worker does: the default walks the slices' records over and over
    run(build(Lap.from_argv()))
