"""Clicks that the edge marked as a scanner's, out of `consent.events`; and what may be done about them.

1. The mark stands on the event alone (`data.suspect`), so it can be reviewed for as long as `consent.events` is kept:
   7 days.
2. A yes is taken back by a void of that grant, for good (RULES §5). A no is not taken back by anybody but the person:
   lifts and reviews clear kinds that staff may clear, and unsubscribes, opt-outs and objections are none (RULES §6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from consent_stream.inspection.topicread import read
from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS

SOURCE = "/edge/suspects"
YES = frozenset(("consent.confirmed", "sharing.optin", "sharing.optin_confirmed"))


class Suspect(NamedTuple):
    """A marked event. received: its append time (µs). says: `yes`, `no` or `both`."""

    received: int
    tenant: str
    id: str
    source: str
    type: str
    says: str
    marks: tuple[str, ...]
    message_id: str
    keys: tuple[str, ...]
    channel: str


def find_suspects(settings: Settings, since: int | None = None) -> Iterator[Suspect]:
    """The marked events of edges, as they lie in the topic. since: µs. Errors: Unread."""
    for batch in read(settings, EVENTS, since=since):
        for message in batch:
            found = suspect_of(message.value() or b"", message.timestamp()[1] * 1000)
            if found is not None:
                yield found


def suspect_of(value: bytes, received: int) -> Suspect | None:
    """A record's suspect; None when it has no mark, or is no event of an edge that we understand."""
    if b'"suspect"' not in value:  # most have none, and are not decoded
        return None
    try:
        event = orjson.loads(value)
        data = event["data"]
        kind = event["type"].removesuffix(".v1")
        texts = (event["tenant"], event["id"], event["source"], kind)
        marks, keys = data["suspect"], data["keys"]
        about = (data.get("message_id", ""), data.get("channel", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    if not all(isinstance(each, str) for each in (*texts, *about, *_list(marks), *_list(keys))):
        return None
    if not texts[2].startswith("/edge/") or not _list(marks):
        return None
    says = _says(kind, data)
    return Suspect(received, *texts, says, tuple(marks), about[0], tuple(_list(keys)), about[1])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _says(kind: str, data: dict[str, Any]) -> str:
    if kind == "preference.set":
        wanted = set(data["topics"].values()) if isinstance(data.get("topics"), dict) else set()
        return "both" if wanted >= {True, False} else "yes" if True in wanted else "no"
    return "yes" if kind in YES else "no"


def void_event(suspect: Suspect, approved_by: Sequence[str]) -> bytes:
    """The event that takes a yes back. The same suspect makes the same event, so that it may be sent again."""
    data: dict[str, object] = {
        "keys": list(suspect.keys),
        "voids": [f"grant:{suspect.source}#{suspect.id}"],
        "approved_by": list(approved_by),
    }
    if suspect.channel:
        data["channel"] = suspect.channel
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"void:{suspect.id}",
            "source": SOURCE,
            "type": "consent.invalidated.v1",
            "tenant": suspect.tenant,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
