"""Which edges there are, by what stands in `consent.edges` now."""

from __future__ import annotations

from consent_stream.inspection.topicread import read
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.edges import EdgeBeat, decode_edge
from consent_stream.wire.topics import EDGES


def live_edges(settings: Settings) -> list[EdgeBeat]:
    """The last word of each edge that has not ended and is not forgotten, by id. Errors: Unread."""
    found: dict[bytes, EdgeBeat] = {}
    for batch in read(settings, EDGES):
        for message in batch:
            key = message.key() or b""
            try:
                beat = decode_edge(key, message.value()) if message.value() is not None else None
            except WireError:  # workers do not heed it either
                continue
            if beat is None or beat.ended:
                found.pop(key, None)
            else:
                found[key] = beat
    return [found[key] for key in sorted(found)]
