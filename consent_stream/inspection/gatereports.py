"""Reports of gates, read until what is asked is so, or time is over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaException

from consent_stream.inspection.barrier import Barrier, Lag, Reports, events_lag
from consent_stream.inspection.topicread import Unread, consumer, partitions, read
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation
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
        reports.hear(read_reports(settings, since))
        found = reports.barrier(time.time_ns() // 1000, channels)
        if found.passed or time.monotonic() >= deadline:
            return found
        since = began - OVERLAP
        time.sleep(AGAIN)


def read_reports(settings: Settings, since: int | None = None) -> Iterator[GateReport]:
    """Every report since an instant (µs), or of all that are kept. Errors: Unread."""
    for batch in read(settings, GATES, since=since):
        for message in batch:
            try:
                yield decode_report(message.value() or b"")
            except WireError:  # anybody may write there: what is no report is no gate
                continue


class NoSuchEvent(Exception):
    """A receipt of no event. The text is one line that names it."""


def await_events(
    settings: Settings, wanted: Mapping[int, int], channels: tuple[str, ...], *, settled: bool, seconds: float = 0
) -> Barrier:
    """As `await_barrier`, of events up to these offsets, by partition; settled: see `events_lag`.

    Errors: NoSuchEvent; Unread when Kafka does not answer or a topic is not there.
    """
    if missing := _beyond_the_end(settings, wanted):
        raise NoSuchEvent(f"no such event in consent.events: {', '.join(missing)}")
    try:
        generation = active_generation(settings)
    except (Unreachable, WireError) as error:
        raise Unread(str(error)) from error
    except KafkaException as error:
        raise Unread(f"Kafka did not answer, or refused: {error.args[0]}") from error
    return await_barrier(settings, events_lag(wanted, settled=settled, generation=generation), channels, seconds)


def _beyond_the_end(settings: Settings, wanted: Mapping[int, int]) -> list[str]:
    reader = consumer(settings)
    try:
        ends = partitions(reader, EVENTS.full(settings.topic_prefix))
    finally:
        reader.close()
    return [f"{p}:{offset}" for p, offset in sorted(wanted.items()) if p not in ends or offset >= ends[p][1]]
