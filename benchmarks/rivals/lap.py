"""What a rival is told on its command line and the one line it says: stdlib only, as for `merge.py`."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lap:
    """One run of one rival.

    `name` is its consumer group, `option` the variant of the engine (for instance `fenced`), `folder` its own empty
    directory. The rival runs until SIGTERM; the harness decides when the work is done.
    """

    bootstrap: str
    name: str
    source: str
    output: str
    changelog: str
    partitions: int
    folder: Path
    option: str

    @classmethod
    def from_argv(cls) -> Lap:
        bootstrap, name, source, output, changelog, partitions, folder, option = sys.argv[1:9]
        return cls(bootstrap, name, source, output, changelog, int(partitions), Path(folder), option)

    def argv(self) -> list[str]:
        return [
            self.bootstrap,
            self.name,
            self.source,
            self.output,
            self.changelog,
            str(self.partitions),
            str(self.folder),
            self.option,
        ]


class FirstRecord:
    """Says `first <epoch seconds>` once: the clock of a lap starts when the rival holds its first record."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self) -> None:
        if not self._said:
            self._said = True
            os.write(
                1, f"first {time.time():.6f}\n".encode()
            )  # not print: Faust's worker puts a logger over sys.stdout
