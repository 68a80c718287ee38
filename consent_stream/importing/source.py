"""The files of an import: one, or those in a zip. Bounded, for a zip of a few KiB can hold terabytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

MAX_MEMBERS = 64  # of a zip; an audience export has four
MAX_UNPACKED = 8 << 30  # bytes of one member
MAX_RATIO = 200  # unpacked to packed; text of addresses comes to 3 to 20
RATIO_FROM = 16 << 20  # bytes from which the ratio is looked at
CHUNK = 1 << 20
ENDINGS = (".csv", ".json", ".jsonl", ".txt")


class FileFault(Exception):
    """A file that cannot be imported at all. One line without anything of a row."""


class Part(NamedTuple):
    """One list. name: of the file, without folders. prefix: before its line numbers, empty where the file is the list.

    number: in a zip, from 1; 0 for a file.
    """

    name: str
    number: int
    prefix: str
    open: Callable[[], AbstractContextManager[BinaryIO]]


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Errors: FileFault."""
    if path.exists() and not path.is_file():  # a pipe cannot be read twice
        raise FileFault(f"{path}: no regular file")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileFault(f"{path}: {error.strerror or 'cannot be read'}") from error


def parts(path: Path) -> list[Part]:
    """The lists in a file, in the order of their names. Errors: FileFault."""
    try:
        if not zipfile.is_zipfile(path):
            return [Part(path.name, 0, "", lambda: _opened(path))]
        with zipfile.ZipFile(path) as archive:
            found = [each for each in archive.infolist() if _holds_rows(each)]
    except (OSError, zipfile.BadZipFile) as error:
        raise FileFault(f"{path}: cannot be read") from error
    if not found:
        raise FileFault(f"{path}: a zip without a file that ends in {', '.join(ENDINGS)}")
    if len(found) > MAX_MEMBERS:
        raise FileFault(f"{path}: a zip of {len(found)} files; at most {MAX_MEMBERS} are read")
    found.sort(key=lambda each: each.filename)
    return [_member(path, number, each) for number, each in enumerate(found, 1)]


def _holds_rows(info: zipfile.ZipInfo) -> bool:
    name = Path(info.filename)
    hidden = name.name.startswith(".") or "__MACOSX" in name.parts
    return not info.is_dir() and not hidden and name.suffix.lower() in ENDINGS


def _member(path: Path, number: int, info: zipfile.ZipInfo) -> Part:
    name = Path(info.filename).name
    return Part(name, number, f"{name}:", lambda: _unpacked(path, info))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise FileFault(f"{path}: {error.strerror or 'cannot be read'}") from error


@contextmanager
def _unpacked(path: Path, info: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as member:
            bounded = _Bounded(member, f"{path}: {Path(info.filename).name}", info.compress_size)
            yield io.BufferedReader(bounded, CHUNK)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        # RuntimeError: encrypted, or (NotImplementedError) a compression that zipfile does not know.
        raise FileFault(f"{path}: {Path(info.filename).name} cannot be unpacked") from error


class _Bounded(io.RawIOBase):
    """What a member really unpacks to is counted: the sizes that a zip declares are its maker's word."""

    def __init__(self, member: IO[bytes], name: str, packed: int) -> None:
        self._member, self._name, self._packed, self._read = member, name, packed, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        found = self._member.read(len(view))
        view[: len(found)] = found
        self._read += len(found)
        if self._read > MAX_UNPACKED or (self._read > RATIO_FROM and self._read > MAX_RATIO * self._packed):
            raise FileFault(f"{self._name} unpacks to far more than a list would: {self._read:,} bytes so far")
        return len(found)
