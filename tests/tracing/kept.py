"""Traces that nobody collects."""

from __future__ import annotations

from consent_stream.tracing import Sampling, Span, Traces


class Kept(Traces):
    """Spans that stay here."""

    def __init__(self, step: int) -> None:
        self.sampling, self.spans = Sampling(step), list[Span]()

    def add(self, span: Span) -> None:
        self.spans.append(span)
