"""Where a trace begins: an event that the edge took, from the moment it was asked until Kafka had proven it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import orjson
from aiohttp import web

from consent_stream.domain.events import told_type
from consent_stream.edge.door import Door
from consent_stream.edge.segments import Spooled
from consent_stream.tracing import Place, Span, Traces
from consent_stream.tracing.names import told_tenant
from consent_stream.tracing.traces import clock

LONGEST = 512  # characters of a `traceparent` that is looked at
_came: ContextVar[str] = ContextVar("traceparent", default="")


def remember(request: web.Request) -> None:
    """The `traceparent` that a request brings is linked with what it says. For each request, those without one too:
    a connection has one context."""
    _came.set(request.headers.get("traceparent", "")[:LONGEST])


class TracedDoor(Door):
    """A door, and a span for each event that it took."""

    def __init__(self, door: Door, traces: Traces) -> None:
        self._door, self._traces = door, traces

    @property
    def open(self) -> bool:
        return self._door.open

    async def accept(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        began = clock()
        receipts = await self._door.accept(events)
        for event, receipt in zip(events, receipts, strict=True):
            if (place := _place(self._traces, receipt)) is not None:
                _add(self._traces, event, place, began, came=_came.get())
        return receipts


def of_spool(traces: Traces) -> Callable[[Spooled, str], None]:
    """Told of each event of the spool that Kafka has proven: its span begins when it was put on the disk."""

    def sent(spooled: Spooled, receipt: str) -> None:
        if (place := _place(traces, receipt)) is not None:
            _add(traces, orjson.loads(spooled.record), place, spooled.at * 1000, spooled=True)

    return sent


def _place(traces: Traces, receipt: str) -> Place | None:
    """Where a traced event stands; None for one that is not, or is on the disk and stands nowhere yet."""
    partition, colon, offset = receipt.partition(":")
    return (int(partition), int(offset)) if colon and traces.sampling.takes(int(offset)) else None


def _add(
    traces: Traces, event: Mapping[str, Any], place: Place, began: int, *, came: str = "", spooled: bool = False
) -> None:
    told: dict[str, str | bool] = {
        "consent.tenant": told_tenant(event["tenant"]),
        "consent.type": told_type(event["type"]),
        "consent.spooled": spooled,
    }
    traces.add(Span("edge", place, ("edge",), None, began, clock(), told, seen_with=came))
