"""How far an import came, in a file beside the list: after a crash the next run goes on from there.

The file is replaced whole (written, synced, renamed), and only records that Kafka has proven count, so that a crash
repeats rows and never loses one. Repeated rows have the same ids and change nothing.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

VERSION = 1


class RestartFault(Exception):
    """A restart file that is of another import, or unreadable. One line; the way out is in it."""


@dataclass
class Progress:
    """rows: all before and with this number are proven, or need not be sent. furthest: greatest offset, by partition.

    identity: what must be the same for the rest to be of the same import: file, options, cluster and topic.
    """

    identity: dict[str, str]
    rows: int = 0
    furthest: dict[int, int] = field(default_factory=dict)

    def prove(self, row: int, partition: int, offset: int) -> None:
        """One more record, in the order of rows."""
        self.rows = row
        self.furthest[partition] = max(offset, self.furthest.get(partition, -1))


def load(path: Path, identity: dict[str, str]) -> Progress:
    """Where to go on; from the beginning when there is no such file. Errors: RestartFault."""
    try:
        found: Any = orjson.loads(path.read_bytes())
        version, told, rows = found["version"], found["identity"], found["rows"]
        furthest = {int(partition): int(offset) for partition, offset in found["furthest"].items()}
    except FileNotFoundError:
        return Progress(identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RestartFault(f"{path}: no restart file of an import; remove it to begin anew") from error
    if version != VERSION or not isinstance(told, dict) or type(rows) is not int or rows < 0:
        raise RestartFault(f"{path}: a restart file that this version cannot read; remove it to begin anew")
    differing = sorted(name for name in {*told, *identity} if told.get(name) != identity.get(name))
    if differing:
        what = "the file has changed" if differing == ["file"] else f"not the same {', '.join(differing)}"
        raise RestartFault(f"{path}: {what} since that import began; remove it to begin anew")
    return Progress(identity, rows, furthest)


def save(path: Path, progress: Progress) -> None:
    """Replace the restart file. Errors: OSError."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            told = {"version": VERSION, **asdict(progress)}
            file.write(orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """The import is complete: the next one of this file begins at its first row."""
    path.unlink(missing_ok=True)
