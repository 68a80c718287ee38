"""Traces of a long-running command, where OpenTelemetry's own variables ask for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from consent_stream.settings import Settings
from consent_stream.tracing import Traces


@contextmanager
def tracing(settings: Settings, service: str) -> Iterator[Traces | None]:
    """None where they are off. Its end hands over what waits. Errors: UsageError for a wrong variable."""
    try:
        traces = Traces.from_environment(settings, service, os.environ, settings.worker_id or settings.sender)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if traces is None:
        yield None
        return
    with closing(traces):
        yield traces
