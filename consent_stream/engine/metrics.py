"""What on-call sees of the engine. Labels are topic and table names only."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SLICES = Counter("consent_engine_slices", "Slices acknowledged", ["topic"])
RECORDS = Counter("consent_engine_records", "Records acknowledged", ["topic"])
DELIVERY = Histogram(
    "consent_engine_delivery_seconds",
    "From the first produce of a slice to the proof of its last effect",
    ["topic"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
RESTORED = Counter("consent_engine_restored_records", "Changelog records read into local stores", ["table"])
RESTORE_LEFT = Gauge("consent_engine_restore_left", "Changelog offsets still to read", ["table"])
