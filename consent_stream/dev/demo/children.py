"""The processes of the demo: on a leash, so that none outlives it however it ends, each with its log in a file."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from consent_stream.dev.errors import DevError
from consent_stream.dev.leash import leashed

STOP_S = 8.0


class Child:
    """One process of ours. Lines of its stdout are read as they come; its stderr goes to `log`.

    Start it from the main thread: its leash is held by the thread that forks.
    """

    def __init__(
        self, name: str, module: list[str], log: Path, settings: dict[str, str], instructed: bool = False
    ) -> None:
        self.name, self.log = name, log
        self.lines: queue.Queue[str | None] = queue.Queue()
        # Settings of whoever runs the demo must not reach its processes: they could point to a real Kafka.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CONSENT_")}
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                leashed([sys.executable, "-m", *module]),
                stdin=subprocess.PIPE if instructed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment | settings,
                start_new_session=True,  # Ctrl-C on the terminal is for the demo alone, which then stops us in order
            )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def line(self, seconds: float) -> str:
        """The next line it prints.

        Errors: DevError when it ends, or prints none in time; the text has the end of its log.
        """
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise DevError(f"{self.name} says nothing for {seconds:g} s{self._last_words()}") from None
        if line is None:
            raise DevError(f"{self.name} ended with code {self._process.wait()}{self._last_words()}")
        return line

    def await_line(self, start: str, seconds: float) -> str:
        """The next line that begins with `start`. Errors: as `line`."""
        deadline = time.monotonic() + seconds
        while not (line := self.line(max(0.01, deadline - time.monotonic()))).startswith(start):
            pass
        return line

    def tell(self, line: str) -> None:
        """Write one line to its stdin. Errors: DevError when it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise DevError(f"{self.name} ended with code {self._process.wait()}{self._last_words()}") from None

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing finished."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and SIGKILL if that is not enough; the exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def _last_words(self) -> str:
        last = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()][-3:]
        return ": " + " | ".join(last) if last else ""


class Children:
    """Starts processes, and stops them all at the end, the last one first."""

    def __init__(self, logs: Path, settings: dict[str, str]) -> None:
        self._logs = logs
        self.settings = settings
        self._living: list[Child] = []

    def start(self, name: str, *module: str, instructed: bool = False) -> Child:
        """`python -m MODULE…` with the settings of all."""
        child = Child(name, list(module), self._logs / f"{name}.log", self.settings, instructed)
        self._living.append(child)
        return child

    def kill(self, child: Child) -> None:
        """End one as a power cut would."""
        child.kill()
        self._living.remove(child)

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *error: object) -> None:
        while self._living:
            self._living.pop().stop()
