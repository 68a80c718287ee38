"""One trace an event, from the edge to every gate, out of what the records say anyway.

1. No header travels. Each record that an event causes names its place in `consent.events` (partition and offset), and
   that place makes the trace id: every process finds it by itself, and the span ids of its neighbours too.
2. Which events are traced is a function of their offset alone. One that is not costs its stage nothing, or one glance.
3. A span has the instants at which its process had the record, and is handed over when the work is done: a collector
   that is slow or away makes nobody wait. What does not fit into the queue is dropped and counted.
4. Off, and OpenTelemetry not even imported, unless OTEL_EXPORTER_OTLP_ENDPOINT is set.
5. Attributes are tenants, types, places and numbers. No address, no contact, no token, no subject key.
"""

from consent_stream.tracing.names import Place, Sampling, SpanName
from consent_stream.tracing.traces import Span, Traces

__all__ = ["Place", "Sampling", "Span", "SpanName", "Traces"]
