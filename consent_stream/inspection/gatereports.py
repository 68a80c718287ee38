"""Reports of gates, read until what is asked is so, or time is over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from consent_stream.inspection.barrier import Barrier, Lag, Reports
from consent_stream.inspection.topicread import consumer, partitions, read
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.gate_report import GateReport, decode_report
from consent_stream.wire.topics import EVENTS, GATES

AGAIN = 0.5  # seconds between two looks
OVERLAP = 5_000_000  # microseconds read again, for producers' clocks differ


def await_barrier(settings: Settings, lag: Lag, channels: tuple[str, ...] = (), seconds: float = 0) -> Barrier:
    """How it stands, at once when all gates are there, else after so many seconds.

    Errors: Unread when `consent.gates` cannot be read.
    """
    reports, deadline, since = Reports(lag), time.monotonic() + seconds, None
    while True:
        began = time.time_ns() // 1000
        reports.hear(_read(settings, since))
        found = reports.barrier(time.time_ns() // 1000, channels)
        if found.passed or time.monotonic() >= deadline:
            return found
        since = began - OVERLAP
        time.sleep(AGAIN)


def _read(settings: Settings, since: int | None) -> Iterator[GateReport]:
    for batch in read(settings, GATES, since=since):
        for message in batch:
            try:
                yield decode_report(message.value() or b"")
            except WireError:  # anybody may write there: what is no report is no gate
                continue


def beyond_the_end(settings: Settings, wanted: Mapping[int, int]) -> list[str]:
    """Receipts, by partition, of events that there are not. Errors: Unread."""
    reader = consumer(settings)
    try:
        ends = partitions(reader, EVENTS.full(settings.topic_prefix))
    finally:
        reader.close()
    return [f"{p}:{offset}" for p, offset in sorted(wanted.items()) if p not in ends or offset >= ends[p][1]]
