"""Scenarios through a live deployment: topics on a real Kafka, a worker process, a gate that is asked.

The law is the same as in `simulate`, which runs it without a broker; here the path is the whole one. Each run has a
topic prefix of its own, `sim-…`, and leaves nothing behind. The parts: `deployment` (topics, files and the worker of
one run), `sending` (events in, what came out), `contract` (all runs of a scenario, and what did not hold).
"""

from consent_stream.through.contract import run_all, why_unsendable
from consent_stream.through.deployment import reach

__all__ = ["reach", "run_all", "why_unsendable"]
