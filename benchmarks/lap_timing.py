"""One lap of one rival, timed from outside: the same clock, the same end and the same proof for every engine."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gauges import Ends, Usage, usage
from consent_stream.dev.leash import leashed

POLL_SECONDS = 0.02  # the end of a lap is known this exactly; the polls cost the broker about 1 % of a core
LAP_SECONDS = 240
STOP_SECONDS = 30


class LapFailed(Exception):
    """A rival ended, stood still or gave a wrong state; the text says which and shows its last lines."""


@dataclass(frozen=True, slots=True)
class Timing:
    """`seconds`: first record in the rival's hands → last output readable with read_committed. `cpu` (seconds, over the
    same span) and `peak_mib`: of the rival's process."""

    first: float
    seconds: float
    cpu: float
    peak_mib: float


Mark = Callable[[bytes], float | None]
"""Finds in a line of a process's output the instant (epoch seconds) from which its lap counts."""


def first_record(line: bytes) -> float | None:
    """The mark of a rival: it says `first <epoch seconds>` when it holds its first record."""
    return float(line.split()[1]) if line.startswith(b"first ") else None


class Rider:
    """A process under the clock: started on a leash, its mark caught, its output kept for the post-mortem."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        log: Path,
        mark: Mark = first_record,
        folder: Path | None = None,  # not the repository: `python -m` would prefer its sources to what is installed
    ) -> None:
        self._log = log
        self._mark = mark
        self._first: tuple[float, Usage] | None = None
        self.process = subprocess.Popen(
            leashed(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def first(self) -> tuple[float, Usage] | None:
        """(epoch seconds, usage then) of its mark."""
        return self._first

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Errors: LapFailed when the process is gone."""
        if (code := self.process.poll()) is not None:
            raise LapFailed(f"the process ended with {code} in mid-lap\n{self.last_lines()}")

    def stop(self) -> int:
        """SIGTERM, then SIGKILL: a lap is over when its process is. Returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        self._reader.join(5)
        return code

    def last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self._log.open("wb", buffering=0) as kept:
            for line in self.process.stdout:
                if self._first is None and (at := self._mark(line)) is not None:
                    self._first = at, usage(self.process.pid)
                kept.write(line)


def time_lap(rider: Rider, ends: Ends, *, group: str, source: str, output: str, source_ends: list[int]) -> Timing:
    """Wait until `group` has committed all of `source`; the lap ended when `output` last grew.

    Errors: LapFailed when the rival ends first or takes longer than `LAP_SECONDS`.
    """
    deadline = time.monotonic() + LAP_SECONDS
    seen: list[int] = []
    grew_at, then, asked_at = 0.0, Usage(0.0, 0.0), 0.0
    while time.monotonic() < deadline:
        rider.check()
        now = ends.readable(output, len(source_ends))
        if now != seen:
            seen, grew_at, then = now, time.time(), usage(rider.pid)
        elif rider.first and time.time() - max(grew_at, asked_at) > 0.25:
            asked_at = time.time()
            if ends.reached(group, source, source_ends):
                began, before = rider.first
                return Timing(began, grew_at - began, then.cpu - before.cpu, then.peak_mib)
        time.sleep(POLL_SECONDS)
    raise LapFailed(f"not through after {LAP_SECONDS} s: committed {ends.committed(group, source, len(source_ends))}, "
                    f"wanted {source_ends}\n{rider.last_lines()}")  # fmt: skip
