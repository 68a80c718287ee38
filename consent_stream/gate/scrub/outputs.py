"""Files that appear whole or not at all: written beside their place, and moved there when everything is written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from consent_stream.disk import sync_directory

STANDARD = Path("-")


class OutputFault(ValueError):
    """An output that must not be written. One line."""


class Digest:
    """A file as it goes by: how long it is, and its SHA-256. Reads or writes through to `file`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = 0
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        chunk = self.file.read(size)
        self._saw(chunk)
        return chunk

    def write(self, chunk: Any) -> int:
        self.file.write(chunk)
        self._saw(chunk)
        return memoryview(chunk).nbytes

    def _saw(self, chunk: Any) -> None:
        self.size += memoryview(chunk).nbytes
        self._sha256.update(chunk)

    def told(self) -> dict[str, object]:
        """For the report."""
        return {"bytes": self.size, "sha256": self._sha256.hexdigest()}


class Draft(Digest):
    """An output that is not there yet. `-`: standard output, to which nothing is said before the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._beside: Path | None = None
        self._placed = False
        file: IO[bytes]
        if path == STANDARD:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - open until it is placed or discarded
        else:
            self._beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
            file = self._beside.open("xb")
        super().__init__(file)

    def finish(self) -> None:
        """All is written; on disk when this returns. Errors: OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def place(self) -> None:
        """Let it appear. Errors: OSError."""
        if self._beside is None:
            self.file.seek(0)
            shutil.copyfileobj(self.file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            os.replace(self._beside, self.path)
            self._placed = True
            sync_directory(self.path.parent)

    def discard(self) -> None:
        """It is not to be: nothing stays, neither beside its place nor there."""
        with contextlib.suppress(OSError):  # a disk that is full may say so again when a file is closed
            self.file.close()
        for path in (self._beside, self.path if self._placed else None):
            if path is not None:
                path.unlink(missing_ok=True)


def refuse(read: Path, outputs: Sequence[Path], force: bool) -> None:
    """Whether these may be written while `read` is read. Errors: OutputFault, and nothing was touched."""
    seen: list[Path] = []
    for path in outputs:
        if path == STANDARD:
            if path in seen:
                raise OutputFault("only one output can be standard output")
            seen.append(path)
            continue
        if read != STANDARD and _same(path, read):
            raise OutputFault(f"{path}: is the input; it is never written to")
        if any(_same(path, other) for other in seen):
            raise OutputFault(f"{path}: named for two outputs")
        if not path.parent.is_dir():
            raise OutputFault(f"{path}: no such directory")
        if path.exists() and not path.is_file():
            raise OutputFault(f"{path}: is no plain file")
        if os.path.lexists(path) and not force:
            raise OutputFault(f"{path}: is there already; --force to replace it")
        seen.append(path)


def _same(one: Path, other: Path) -> bool:
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and os.path.samefile(one, other)
