"""Spans on their way to a collector (OTLP over HTTP). A stage appends to a queue; a thread of its own does all else."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from consent_stream.settings import Settings
from consent_stream.tracing.names import Place, Sampling, SpanName, remote, span_id, trace_id
from consent_stream.wire.topics import CONTROL, EVENTS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
RATIO = "OTEL_TRACES_SAMPLER_ARG"
DEFAULT_RATIO = 1 / 1024  # at 80,000 events a second 80 traces, a hundredth of a core
MOST_WAITING = 4096  # spans, half a KiB each
MOST_AT_ONCE = 512
EVERY_S = 1.0
CLOSING_S = 3.0  # for what waits, when the process ends
ASKING_S = 2.0

Attributes = Mapping[str, str | int | bool]


class Span(NamedTuple):
    """One stage of one event. Units: nanoseconds since 1970.

    name: None for one that nobody refers to. parent: None where the trace begins. seen_with: a `traceparent` that came
    along, linked. code: why it was refused.
    """

    stage: str
    place: Place
    name: SpanName | None
    parent: SpanName | None
    start: int
    end: int
    attributes: Attributes
    seen_with: str = ""
    code: str = ""


class Traces:
    """Where stages leave their spans. `sampling` says which events are wanted.

    cluster: asks Kafka for its id of itself, None while it does not answer.
    """

    def __init__(
        self, sampling: Sampling, service: Service, exporter: SpanExporter, cluster: Callable[[], str | None]
    ) -> None:
        self.sampling = sampling
        self.dropped = 0
        self._service, self._exporter, self._ask = service, exporter, cluster
        self._cluster: str | None = None
        self._waiting: deque[Span] = deque(maxlen=MOST_WAITING)
        self._news = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    @classmethod
    def from_environment(
        cls, settings: Settings, service: str, environ: Mapping[str, str], instance: str | None = None
    ) -> Traces | None:
        """As OpenTelemetry's own variables say; None where none of ENDPOINTS is set, or the ratio is 0.

        service: `edge`, `worker`, …, unless OTEL_SERVICE_NAME says otherwise. Errors: ValueError in one line for a
        ratio that is none; ModuleNotFoundError without the otel extra.
        """
        if not any(environ.get(name) for name in ENDPOINTS) or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        try:
            sampling = Sampling.of(float(environ.get(RATIO) or DEFAULT_RATIO))
        except ValueError as error:
            raise ValueError(f"{RATIO}: {environ[RATIO]!r} is no number from 0 to 1") from error
        if sampling is None:
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # the otel extra

        told = Service.of(settings, service, instance)
        return cls(sampling, told, OTLPSpanExporter(), lambda: cluster_of(settings))

    def add(self, span: Span) -> None:
        """Leave a span. Never waits."""
        if len(self._waiting) == MOST_WAITING:
            self.dropped += 1
        self._waiting.append(span)

    def close(self) -> None:
        """Hand over what waits, for as long as CLOSING_S."""
        self._closing = True
        self._news.set()
        self._thread.join(CLOSING_S)
        self._exporter.shutdown()  # its pauses between two attempts end
        if self.dropped:
            log.warning("%d spans were dropped: the collector took them too slowly, or not at all", self.dropped)

    # -- the thread

    def _run(self) -> None:
        while not self._closing:
            self._news.wait(EVERY_S)
            self._send()
        self._send()

    def _send(self) -> None:
        if self._waiting and self._cluster is None:
            self._cluster = self._ask()
        while self._waiting and self._cluster is not None:
            batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
            try:
                self._exporter.export([self._service.made(each, self._cluster) for each in batch])
            except Exception as error:  # an exporter's own fault ends no stage; its text may hold a header's secret
                log.error("spans were not exported: %s", type(error).__name__)


class Service:
    """Makes OpenTelemetry's spans of ours. events: full name of `consent.events`."""

    def __init__(self, events: str, attributes: Mapping[str, str]) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._events = events
        self._resource = Resource.create(dict(attributes))
        self._scope = InstrumentationScope("consent_stream")

    @classmethod
    def of(cls, settings: Settings, service: str, instance: str | None) -> Service:
        """Named by the service, unless the environment names it."""
        told = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"consent-{service}"}
        told |= {"service.instance.id": instance} if instance else {}
        return cls(EVENTS.full(settings.topic_prefix), told)

    def made(self, span: Span, cluster: str) -> ReadableSpan:
        """With the ids that its place gives it."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

        trace = trace_id(cluster, self._events, span.place)

        def context(ident: int, of_trace: int = trace, far: bool = False) -> SpanContext:
            return SpanContext(of_trace, ident, is_remote=far, trace_flags=TraceFlags(TraceFlags.SAMPLED))

        own = int.from_bytes(os.urandom(8), "big") or 1 if span.name is None else span_id(trace, span.name)
        came = remote(span.seen_with)
        return ReadableSpan(
            span.stage,
            context(own),
            parent=None if span.parent is None else context(span_id(trace, span.parent), far=True),
            resource=self._resource,
            attributes={
                "messaging.system": "kafka",
                "consent.event.partition": span.place[0],
                "consent.event.offset": span.place[1],
                **span.attributes,
            },
            links=[] if came is None else [Link(context(came.span, came.trace, far=True))],
            kind=SpanKind.PRODUCER if span.parent is None else SpanKind.CONSUMER,
            status=Status(StatusCode.ERROR, span.code) if span.code else Status(),
            start_time=span.start,
            end_time=max(span.start, span.end),
            instrumentation_scope=self._scope,
        )


def cluster_of(settings: Settings) -> str | None:
    """Kafka's id of itself; None when it does not answer."""
    from confluent_kafka import Consumer, KafkaException

    conf = settings.consumer(**{"group.id": "traces-unused", "log_level": 0})  # no group is joined
    reader = Consumer(conf)
    try:
        # One topic's name: without one all of the cluster's topics are told.
        found = reader.list_topics(CONTROL.full(settings.topic_prefix), timeout=ASKING_S)
    except KafkaException:
        return None
    finally:
        reader.close()
    return found.cluster_id or None


def clock() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()
