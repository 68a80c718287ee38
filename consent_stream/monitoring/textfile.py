"""What a run of `late-sends` found, as a file that Prometheus' node_exporter reads (its textfile collector)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from consent_stream.gate.scrub.outputs import Draft

# member of the summary → (name, what). All are of one window: gauges, and no counters.
FIGURES = {
    "late": ("consent_late_sends", "Messages handed over after their withdrawal could be obeyed"),
    "without_permission": ("consent_late_sends_without_permission", "Messages that nothing ever permitted"),
    "sent": ("consent_late_sends_judged", "Messages that were judged"),
    "unjudged": ("consent_late_sends_unjudged", "Messages that could not be judged yet"),
    "unreadable": ("consent_late_sends_unreadable", "Records that could not be read"),
}


def late_sends_text(told: Mapping[str, Any], since: int | None, now: int) -> bytes:
    """The file of a summary. since: where the window begins, None for all there is; now: of the run (µs)."""
    registry = CollectorRegistry()
    values = {name: (what, float(told[member])) for member, (name, what) in FIGURES.items()}
    worst = told["max_ms"]
    values["consent_late_sends_worst_seconds"] = ("By how much the latest one came too late", (worst or 0.0) / 1000)
    values["consent_late_sends_window_start_timestamp_seconds"] = ("0: all that is kept", (since or 0) / 1e6)
    values["consent_late_sends_run_timestamp_seconds"] = ("When it was last looked", now / 1e6)
    for name, (what, value) in values.items():
        Gauge(name, what, registry=registry).set(value)
    text: bytes = generate_latest(registry)
    return text


def place(path: Path, text: bytes) -> None:
    """Let the file appear, whole. Errors: OSError."""
    draft = Draft(path)
    try:
        draft.file.write(text)
        os.fchmod(draft.file.fileno(), 0o644)  # node_exporter is another user, and these are counts
        draft.finish()
        draft.place()
    except BaseException:
        draft.discard()
        raise
