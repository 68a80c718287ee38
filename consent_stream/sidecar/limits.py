"""What a client of the sidecar may take."""

from __future__ import annotations

from dataclasses import dataclass

from consent_stream.http import limits


@dataclass(frozen=True, kw_only=True)
class Limits(limits.Limits):
    """batch: questions in one request. concurrency: checks being answered, and as many waits for receipts.

    wait_seconds: the longest wait for a receipt.
    """

    batch: int = 1000
    concurrency: int = 64
    wait_seconds: float = 60.0
