"""Faust made fit: agents get whole slices, and a slice is acknowledged after its effects are proven.

    app = SliceApp("group", kafka=settings, datadir=path)
    table = app.Table("state", partitions=8, changelog="state-topic", sources=["facts"])

    @app.agent(app.topic("facts", schema=SliceSchema(), partitions=8))
    async def state(stream):
        async for piece in stream:
            async with table.unit(piece) as unit:
                rows = unit.load([record.key for record in piece])
                ...

Rules
1. A slice is acknowledged only after its outputs are proven on the broker and its state is on disk.
2. Nothing swallows an error: a failed slice ends the process, the restart replays it.
3. One agent per topic; the slices of a partition are worked on in order.
4. This package knows nothing of consent.
"""

from .app import SliceApp
from .failure import EngineError, describe, fail_stop
from .kafka import KafkaClients, PlainKafka
from .progress import Position
from .run import run
from .slices import Slice, SliceSchema
from .table import SliceTable
from .unit import TableUnit, Unit
from .unpacking import Unread

__all__ = [
    "EngineError",
    "KafkaClients",
    "PlainKafka",
    "Position",
    "Slice",
    "SliceApp",
    "SliceSchema",
    "SliceTable",
    "TableUnit",
    "Unit",
    "Unread",
    "describe",
    "fail_stop",
    "run",
]
