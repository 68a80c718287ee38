"""Where the worker's time goes: py-spy's samples of who holds Python's lock, sorted into stages.

Only one thread runs Python at a time, so samples × interval is the time that Python work takes on the one path through
which every event must go. What librdkafka, RocksDB and the sockets burn beside it shows in the CPU figure alone.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environments import profiler_command
from benchmarks.lap_timing import Rider
from consent_stream.dev.leash import leashed

RATE_HZ = 100

# (stage, part, marks): a sample belongs to the first row whose marks all occur in its stack, root to leaf.
ROWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("intake", "JSON decode", ("_take_slice", "read_events")),
    ("intake", "subject keys (HMAC)", ("_take_slice", "wire/keys.py")),
    ("intake", "canonical addresses", ("_take_slice", "domain/addresses.py")),
    ("intake", "rules: qualify", ("_take_slice", "domain/")),
    ("intake", "encode facts", ("_take_slice", "wire/ledger.py")),
    ("intake", "produce", ("_take_slice", "engine/")),
    ("intake", "the rest", ("_take_slice",)),
    ("state", "decode facts", ("_fold_slice", "decode_fact")),
    ("state", "read rows (RocksDB)", ("_fold_slice", "engine/unit.py", "load (")),
    ("state", "decode rows", ("_fold_slice", "decode_registers")),
    ("state", "rules: join", ("_fold_slice", "domain/registers.py")),
    ("state", "rules: standing", ("_fold_slice", "domain/standing.py")),
    ("state", "rules: derive", ("_fold_slice", "domain/derive.py")),
    ("state", "encode rows", ("_fold_slice", "encode_registers")),
    ("state", "encode list records", ("_fold_slice", "encode_entry")),
    ("state", "encode changes", ("_fold_slice", "encode_change")),
    ("state", "produce", ("_fold_slice", "engine/")),
    ("state", "the rest", ("_fold_slice",)),
    ("heartbeats", "", ("topology/pulse.py",)),
    ("engine", "produce, prove, store", ("engine/",)),
    ("Faust, aiokafka, asyncio", "", ()),
)


class Profiler:
    """Attached to a process from `attach` until that process ends."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._program = profiler_command()  # now: making its environment takes longer than a lap
        self._process: subprocess.Popen[bytes] | None = None

    def attach(self, rider: Rider) -> None:
        options = ["record", "--pid", str(rider.pid), "--rate", str(RATE_HZ), "--gil", "--format", "raw"]
        options += ["--duration", "600", "--output", str(self._out)]
        self._process = subprocess.Popen(
            leashed([*self._program, *options]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stacks(self) -> list[str]:
        """Collapsed stacks, `frame;frame;… count`. Errors: RuntimeError when there is not one sample."""
        if self._process is not None:
            try:
                self._process.wait(20)  # it ends with its target
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGINT)
                self._process.wait(20)
        lines = self._out.read_text().splitlines() if self._out.exists() else []
        if not lines:
            raise RuntimeError("the profiler took no sample; may this user trace processes?")
        return lines


def stage_costs(stacks: Sequence[str], events: int) -> list[tuple[str, str, float]]:
    """(stage, part, µs per event) in the order of ROWS."""
    found: Counter[tuple[str, str]] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        found[_row_of(stack)] += int(count)
    per_sample = 1e6 / RATE_HZ / events
    return [(stage, part, found[stage, part] * per_sample) for stage, part, _ in ROWS]


def _row_of(stack: str) -> tuple[str, str]:
    for stage, part, marks in ROWS:
        if _in_order(stack, marks):
            return stage, part
    raise AssertionError("the last row takes every stack")


def _in_order(stack: str, marks: tuple[str, ...]) -> bool:
    at = 0
    for mark in marks:
        at = stack.find(mark, at)
        if at < 0:
            return False
    return True
