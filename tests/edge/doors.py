"""A door in memory for tests of pages and webhooks; it passes tests/contract/door as the real one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from consent_stream.edge.door import Door, Unavailable, records_of


class MemoryDoor(Door):
    """away: neither Kafka nor disk. spooling: Kafka alone is away. taken: every event, as it will be read."""

    def __init__(self) -> None:
        self.away = self.spooling = False
        self.taken: list[dict[str, Any]] = []

    @property
    def open(self) -> bool:
        return not self.away

    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        records = records_of(events)
        if self.away:
            raise Unavailable
        receipts = []
        for record in records:
            receipts.append("spooled" if self.spooling else f"0:{len(self.taken)}")
            self.taken.append(orjson.loads(record))
        return tuple(receipts)
