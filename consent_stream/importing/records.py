"""Records of a list: CSV lines, a JSON list, or JSON lines. One broken line costs itself and nothing behind it.

A quote that is never closed would swallow the rest of a file. So a record may span MAX_LINES lines (reasons of bounces
do); where it then is no record, its first line alone is broken and reading goes on behind that line.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

import orjson

from consent_stream.importing.source import FileFault

MAX_CHARS = 64 * 1024  # of a line; the longest reasons have a few hundred
MAX_LINES = 32  # of one CSV record
MAX_JSON = 256 << 20  # bytes of a JSON document, which is read whole: some two million entries
DELIMITERS = ",;\t"
LOOKED_AT = 100  # entries whose names are the columns of a JSON list: an entry may lack what others have
_LOOK = 64 * 1024

Line = tuple[int, str | None]  # number from 1; None: longer than MAX_CHARS
Headerless = Callable[[Sequence[str]], Sequence[str] | None]


class Record(NamedTuple):
    """One entry. line: where it begins (for a JSON list: its number in it). fields: by the names in the file.

    fault: what is wrong with the line, without anything of it; `fields` are then what could be made out.
    """

    line: int
    fields: Mapping[str, Any]
    fault: str = ""


class Table(NamedTuple):
    """The records of a part, and the names of its columns (JSON: of its first entries, each of which has its own)."""

    columns: tuple[str, ...]
    records: Iterator[Record]
    fixed: bool = True  # every record has every column


def read_table(file: BinaryIO, name: str, encoding: str, lists: Sequence[str], headerless: Headerless) -> Table:
    """A part as records. `lists`: names under which JSON documents of the format hold their entries.

    Errors: FileFault, also while records are read: where the encoding is another one.
    """
    look = file.read(_LOOK)
    rest = io.BufferedReader(_Joined(look, file), _LOOK)
    begins = look.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if begins in (b"{", b"["):
        return _json(rest, look, name, encoding, lists)
    text = io.TextIOWrapper(rest, _encoding(look, encoding), newline="")
    return _csv(_lines(text, name), name, headerless)


def _encoding(look: bytes, told: str) -> str:
    if look.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if codecs.lookup(told).name == "utf-8" else told


class _Joined(io.RawIOBase):
    """What was looked at already, then the rest: a member of a zip cannot be wound back."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = io.BytesIO(first), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        found = self._first.read(len(view)) or self._rest.read(len(view))
        view[: len(found)] = found
        return len(found)


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[Line]:
    number = 0
    try:
        while line := text.readline(MAX_CHARS + 1):
            number += 1
            if "\0" in line:  # UTF-16 without its mark reads as UTF-8 with a NUL after each letter
                raise UnicodeError
            if len(line) <= MAX_CHARS:
                yield number, line
                continue
            while line and not line.endswith(("\n", "\r")):
                line = text.readline(MAX_CHARS)
            yield number, None
    except UnicodeError:
        told = f"{name}: not {text.encoding.upper().removesuffix('-SIG')} at or behind line {max(number, 1)}"
        raise FileFault(f"{told}; --encoding says what it is") from None


# -- CSV ---------------------------------------------------------------------------------------------


def _csv(lines: Iterator[Line], name: str, headerless: Headerless) -> Table:
    number, first = next(((n, text) for n, text in lines if text is None or text.strip()), (0, ""))
    if not first:
        raise FileFault(f"{name}: {'its first line is too long for a list' if number else 'an empty file'}")
    delimiter = max(DELIMITERS, key=first.count)
    header = _fields(first, delimiter)
    if header is None:
        raise FileFault(f"{name}: the first line does not name columns")
    named = headerless(header)
    if named is None:
        named = [column.strip() for column in header]
        # Of two columns of one name the first is it.
        named = [f"{each}#{at}" if each in named[:at] else each for at, each in enumerate(named)]
        return Table(tuple(named), _csv_records(lines, tuple(named), delimiter))
    return Table(tuple(named), _csv_records(chain([(number, first)], lines), tuple(named), delimiter))


def _csv_records(lines: Iterator[Line], columns: tuple[str, ...], delimiter: str) -> Iterator[Record]:
    waiting: deque[Line] = deque()
    while (found := waiting.popleft() if waiting else next(lines, None)) is not None:
        number, first = found
        if first is None:
            yield Record(number, {}, f"a line of more than {MAX_CHARS} characters")
            continue
        if not first.strip():
            continue
        held = _until_closed(first, waiting, lines)
        fields = _fields("".join((first, *(text for _, text in held if text))), delimiter)
        if fields is None or (held and len(fields) != len(columns)):
            waiting.extendleft(reversed(held))
            pieces = [piece.strip().strip('"') for piece in first.rstrip("\r\n").split(delimiter)]
            yield Record(number, dict(zip(columns, pieces, strict=False)), "a quote that is not closed, or stands free")
        elif len(fields) != len(columns):
            fault = f"{len(fields)} fields where the header has {len(columns)}"
            yield Record(number, dict(zip(columns, fields, strict=False)), fault)
        else:
            yield Record(number, dict(zip(columns, fields, strict=True)))


def _until_closed(first: str, waiting: deque[Line], lines: Iterator[Line]) -> list[Line]:
    """The lines that a record which begins with `first` goes on with: until its quotes are even."""
    held: list[Line] = []
    quotes = first.count('"')
    while quotes % 2 and len(held) < MAX_LINES:
        more = waiting.popleft() if waiting else next(lines, None)
        if more is None:
            break
        held.append(more)
        if more[1] is None:
            break
        quotes += more[1].count('"')
    return held


def _fields(text: str, delimiter: str) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


# -- JSON --------------------------------------------------------------------------------------------


def _json(file: BinaryIO, look: bytes, name: str, encoding: str, lists: Sequence[str]) -> Table:
    if _is_json_lines(look, lists):
        text = io.TextIOWrapper(file, _encoding(look, encoding), newline="")
        records = _json_lines(_lines(text, name))
        return _with_columns(records, name)
    document = file.read(MAX_JSON + 1)
    if len(document) > MAX_JSON:
        raise FileFault(f"{name}: a JSON document of more than {MAX_JSON >> 20} MiB; JSON lines have no limit")
    try:
        found = orjson.loads(document.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise FileFault(f"{name}: no JSON: {error.msg} at byte {error.pos}") from None
    entries = found if isinstance(found, list) else _listed(found, name, lists)
    return _with_columns(_json_records(entries), name)


def _is_json_lines(look: bytes, lists: Sequence[str]) -> bool:
    line = look.removeprefix(codecs.BOM_UTF8).lstrip().split(b"\n", 1)[0]
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and not any(key in found for key in lists)


def _listed(found: Any, name: str, lists: Sequence[str]) -> list[Any]:
    for key in lists:
        if isinstance(found.get(key), list):
            listed: list[Any] = found[key]
            return listed
    names = ", ".join(lists) or "a list"
    raise FileFault(f"{name}: a JSON object without {names}; found: {names_of(found)}")


def _json_records(entries: Sequence[Any]) -> Iterator[Record]:
    for number, entry in enumerate(entries, 1):
        yield Record(number, entry) if isinstance(entry, dict) else Record(number, {}, "no JSON object")


def _json_lines(lines: Iterator[Line]) -> Iterator[Record]:
    for number, text in lines:
        if text is None:
            yield Record(number, {}, f"a line of more than {MAX_CHARS} characters")
        elif text.strip():
            try:
                found = orjson.loads(text)
            except orjson.JSONDecodeError:
                found = None
            yield Record(number, found) if isinstance(found, dict) else Record(number, {}, "no JSON object")


def _with_columns(records: Iterator[Record], name: str) -> Table:
    first = list(islice(records, LOOKED_AT))
    columns = tuple(dict.fromkeys(str(each) for record in first for each in record.fields))
    if first and not columns:
        raise FileFault(f"{name}: none of its first {len(first)} entries is a JSON object with fields")
    return Table(columns, chain(first, records), fixed=False)


def names_of(columns: Sequence[str] | Mapping[str, Any]) -> str:
    """Column names for a message. A file without a header has a row there: what may be an address is not repeated."""
    shown = [column if "@" not in column and sum(map(str.isdigit, column)) < 5 else "(…)" for column in columns]
    text = ", ".join(each[:40] for each in shown[:40])
    return text or "none"
