"""A collector of OTLP over HTTP: takes spans as protobuf and keeps them."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Seen:
    """One span as it came."""

    def __init__(self, service: str, span: Any) -> None:
        self.service, self.name = service, span.name
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = {each.key: _value(each.value) for each in span.attributes}
        self.links = [(each.trace_id.hex(), each.span_id.hex()) for each in span.links]
        self.refused = span.status.message

    def __repr__(self) -> str:
        return f"<{self.service}: {self.name} {self.attributes}>"


class Collector:
    """What came so far. status: what it answers."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.raw: list[bytes] = []
        self.status = 200
        self.endpoint = ""

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {pair.key: _value(pair.value) for pair in each.resource.attributes}
            self.spans += [Seen(named["service.name"], span) for scope in each.scope_spans for span in scope.spans]

    def await_that(self, told: Callable[[list[Seen]], bool], seconds: float = 30) -> list[Seen]:
        """Wait until it holds of the spans. Errors: AssertionError with what there is."""
        deadline = time.monotonic() + seconds
        while not told(self.spans):
            assert time.monotonic() < deadline, self.spans
            time.sleep(0.05)
        return self.spans


@contextmanager
def collecting() -> Iterator[Collector]:
    """On a port of loopback, until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and collector.status == 200:
                collector.take(body)
            self.send_response(collector.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
