"""Where a trace begins: an event that is proven has a place, and so a span; one on the disk has it when it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from aiohttp import web

from consent_stream.edge.door import KafkaDoor
from consent_stream.edge.edge import now
from consent_stream.edge.events import event
from consent_stream.edge.metrics import Metrics
from consent_stream.edge.segments import Spooled
from consent_stream.edge.spool import Spool
from consent_stream.edge.traced import LONGEST, TracedDoor, of_spool, remember
from tests.edge.doors import MemoryDoor
from tests.faults.deployment import Deployment, await_that
from tests.tracing.kept import Kept

CAME = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def click(ident: str, **more: Any) -> dict[str, Any]:
    return event("unsubscribe.oneclick", "/edge/one-click", "acme", at=now(), ident=ident, keys=["01" * 19], **more)


def asked(headers: Mapping[str, str]) -> web.Request:
    return cast(web.Request, SimpleNamespace(headers=headers))


def test_each_traced_event_that_is_proven_has_a_span_with_what_its_request_brought() -> None:
    traces = Kept(2)  # offsets 1, 3, …
    door = TracedDoor(MemoryDoor(), traces)

    async def requests() -> None:
        remember(asked({"traceparent": CAME}))
        await door.accept([click(f"e{each}") for each in range(3)])
        remember(asked({}))
        await door.accept([click("e3")])
        remember(asked({"traceparent": "x" * 9000}))
        await door.accept([click("e4"), click("e5")])

    asyncio.run(requests())
    assert [(span.place, span.seen_with) for span in traces.spans] == [
        ((0, 1), CAME), ((0, 3), ""), ((0, 5), "x" * LONGEST),
    ]  # fmt: skip
    assert {(span.stage, span.name, span.parent) for span in traces.spans} == {("edge", ("edge",), None)}
    assert traces.spans[0].attributes == {
        "consent.tenant": "acme", "consent.type": "unsubscribe.oneclick", "consent.spooled": False,
    }  # fmt: skip


def test_an_event_on_the_disk_has_none_until_it_is_sent() -> None:
    traces, door = Kept(1), MemoryDoor()
    door.spooling = True
    asyncio.run(TracedDoor(door, traces).accept([click("e1")]))
    assert traces.spans == []
    of_spool(traces)(Spooled(1_000_000, orjson.dumps(click("e1"))), "3:17")
    (span,) = traces.spans
    assert (span.place, span.start, span.attributes["consent.spooled"]) == ((3, 17), 1_000_000_000, True)


@pytest.mark.kafka
def test_a_door_tells_of_each_record_of_its_spool_that_kafka_has_proven(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put([orjson.dumps(click(f"e{each}")) for each in range(3)], now()).result(10)
    told: list[tuple[Spooled, str]] = []
    deployment = Deployment(kafka, tmp_path, prefix, "")
    deployment.make_topics()
    door = KafkaDoor(deployment.settings, spool, now, Metrics(), lambda each, receipt: told.append((each, receipt)))
    try:
        await_that("the spool is empty", lambda: spool.oldest is None, 60)
    finally:
        door.close()
        spool.close()
    assert [orjson.loads(each.record)["id"] for each, _ in told][-3:] == ["e0", "e1", "e2"]
    assert all(part.isdigit() for _, receipt in told for part in receipt.split(":"))
