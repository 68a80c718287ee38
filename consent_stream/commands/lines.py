"""Lines of a file or a pipe: a long file shows a bar on a terminal, a slow pipe does not hold anything up."""

import os
import queue
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import Progress

BAR_FROM_BYTES = 1_000_000  # shorter files are through before anyone could read a bar
IDLE_SECONDS = 0.05
WAITING_LINES = 10_000  # what may be read ahead of the records already handed over

Numbered = tuple[int, bytes]


def read_lines(path: Path) -> Iterator[Numbered]:
    """(line number from 1, line with its newline); the last line may lack one. `-` is standard input.

    From a pipe, (0, b"") is yielded now and then while no line comes, so that the caller can look after what it sent.
    """
    if str(path) == "-":
        if not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
            yield from _from_pipe(sys.stdin.buffer)
        else:
            yield from enumerate(sys.stdin.buffer, 1)
        return
    with path.open("rb") as file:
        yield from _with_bar(file, os.fstat(file.fileno()).st_size)


def _with_bar(file: BinaryIO, size: int) -> Iterator[Numbered]:
    # Where receipts scroll over the same terminal, they are the progress.
    if size < BAR_FROM_BYTES or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from enumerate(file, 1)
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("publishing", total=size)
        for number, line in enumerate(file, 1):
            yield number, line
            progress.advance(task, len(line))


def _from_pipe(pipe: BinaryIO) -> Iterator[Numbered]:
    waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_LINES)

    def read() -> None:
        for line in pipe:
            waiting.put(line)
        waiting.put(None)

    # A thread, for a read that blocks cannot be interrupted to look after deliveries. Daemon: it may block for ever.
    threading.Thread(target=read, daemon=True).start()
    number = 0
    while True:
        try:
            line = waiting.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            yield 0, b""
            continue
        if line is None:
            return
        number += 1
        yield number, line
