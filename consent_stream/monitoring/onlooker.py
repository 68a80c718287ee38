"""A gate that keeps no rows and reads none of the past: how far a list is, from now on. It is asked about nobody."""

from __future__ import annotations

from collections.abc import Mapping

from consent_stream.gate import Gate, MemoryReplica
from consent_stream.gate.replica import Offsets, Origin
from consent_stream.inspection.topicread import Unread, consumer, partitions
from consent_stream.settings import Settings


class Onlooker(MemoryReplica):
    """The replica of such a gate: it says that all up to the present end has been read."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def open(self, origin: Origin) -> Offsets:
        """The end of each partition of the list; where Kafka does not say, from the beginning."""
        super().open(origin)
        reader = consumer(self._settings)
        try:
            return {p: end for p, (_, end) in partitions(reader, origin.topic).items()}
        except Unread:
            return {}
        finally:
            reader.close()

    def apply(self, rows: Mapping[bytes, bytes], offsets: Offsets) -> None:
        """Keep where the list was read to, and no row."""
        super().apply({}, offsets)


def look_on(settings: Settings, channel: str) -> Gate:
    """A gate for `wait_for` alone. It has no keys: whatever it is asked about a person, it denies."""
    return Gate(settings, channel=channel, store=Onlooker(settings), report=False)
