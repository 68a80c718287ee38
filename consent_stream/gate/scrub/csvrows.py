"""Rows of a CSV file (RFC 4180), each with its own bytes, so that a kept row stays what it was.

1. A row ends with LF or CRLF outside quotes. A quote stands only around a field, and twice within one.
2. A row with the wrong number of fields, or with bytes that are no UTF-8, is broken, whole. Where quoting is wrong
   nobody can tell where the row ends: its first line is broken, and reading goes on with the next one. So a stray quote
   costs one line and not the rest of the file.
3. Text is decoded with `surrogateescape`: to encode it the same way gives the bytes that were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

CHUNK = 256 * 1024  # bytes; some thousand rows, which are asked about at one moment
LONGEST_ROW = 1024 * 1024  # bytes; what is longer is no row of a mailing list
CODEC = ("utf-8", "surrogateescape")
BOM = "\ufeff"
_UNDECODABLE = re.compile("[\udc80-\udcff]")


class FileFault(ValueError):
    """A file that cannot be read as a list. One line, without an address."""


class Broken(NamedTuple):
    """A row that is none. line: of the file, from 1. text: None when it is too long to be kept."""

    line: int
    text: str | None


class Part(NamedTuple):
    """Rows next to each other. rows: with their line ends. contacts: None when there is no such column.

    blank: empty lines, which are no rows. bytes: of the file, in this part.
    """

    rows: list[str]
    addresses: list[str]
    contacts: list[str | None] | None
    broken: list[Broken]
    blank: int
    bytes: int


class Columns(NamedTuple):
    """Where things are, from 0, among `width` columns."""

    width: int
    address: int
    contact: int | None


class CsvRows:
    """The rows of an open file. `header` is its first row, with the mark of UTF-8 if there is one, as it stands.

    delimiter: one ASCII character. Errors: FileFault for a file without a readable header.
    """

    def __init__(self, file: BinaryIO, delimiter: str = ",") -> None:
        self._file = file
        self._delimiter = delimiter
        self._field = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{re.escape(delimiter)}\r\n]*+)'
        self._left, self._ended = b"", False
        self._line = 1
        self.header = self._read_header()

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [unquoted(each) for each in self._fields(_bare(self.header.removeprefix(BOM)))]

    def _fields(self, row: str) -> list[str]:
        """The fields of a row that is whole, one behind the other: a search would find some inside of a quoted one."""
        field = re.compile(rf"({self._field})({re.escape(self._delimiter)}|\Z)")
        found, at = [], 0
        while match := field.match(row, at):
            found.append(match[1])
            at = match.end()
            if not match[2]:
                break
        return found

    def _read_header(self) -> str:
        while not self._ended and len(self._left) <= LONGEST_ROW:
            found = self._any.match(self._left.decode(*CODEC).removeprefix(BOM))
            if found and found[0].endswith("\n"):
                break
            self._fill()
        text = self._left.decode(*CODEC)
        mark = BOM if text.startswith(BOM) else ""
        found = self._any.match(text.removeprefix(BOM))
        if not self._left:
            raise FileFault("is empty: not even a header")
        if not found or not _bare(found[0]) or _UNDECODABLE.search(found[0]) or len(found[0]) > LONGEST_ROW:
            raise FileFault("its first line is no header of a CSV file in UTF-8")
        header = mark + found[0]
        self.header_count = len(self._fields(_bare(found[0])))
        self._left = self._left[len(header.encode(*CODEC)) :]
        self._line += header.count("\n")
        return header

    @property
    def _any(self) -> re.Pattern[str]:
        """A row of any number of fields."""
        return re.compile(rf"{self._field}(?:{re.escape(self._delimiter)}{self._field})*+(?:\r?\n|\Z)")

    @property
    def _open(self) -> re.Pattern[str]:
        """A row whose last quote has not ended yet."""
        return re.compile(rf'(?:{self._field}{re.escape(self._delimiter)})*+"[^"]*+(?:""[^"]*+)*+\Z')

    def parts(self, columns: Columns) -> Iterator[Part]:
        """All rows, in parts."""
        reader = _Reader(self._row(columns), self._any, self._open, columns)
        while True:
            if len(self._left) <= LONGEST_ROW:
                self._fill()
            if not self._left and self._ended:
                return
            end = len(self._left) if self._ended else self._left.rfind(b"\n") + 1
            if not end:
                if len(self._left) > LONGEST_ROW:
                    yield self._skip_line()
                continue
            chunk, rest = self._left[:end], self._left[end:]
            part, used = reader.read(chunk, self._line, self._ended, len(self._left) > LONGEST_ROW)
            if used < end:
                rest = chunk[used:] + rest
            self._left = rest
            self._line += chunk.count(b"\n", 0, used)
            if used:
                yield part

    def _fill(self) -> None:
        if not self._ended:
            chunk = self._file.read(CHUNK)
            self._left += chunk
            self._ended = not chunk

    def _skip_line(self) -> Part:
        size = 0
        while (end := self._left.find(b"\n") + 1) == 0 and not self._ended:
            size += len(self._left)
            self._left = b""
            self._fill()
        end = end or len(self._left)
        self._left = self._left[end:]
        self._line += 1
        return Part([], [], None, [Broken(self._line - 1, None)], 0, size + end)

    def _row(self, columns: Columns) -> re.Pattern[str]:
        """One row. Groups: the row, the address, and the contact if there is such a column."""
        wanted = {columns.address, columns.contact}
        field = self._field if columns.width > 1 else self._field.replace("]*+)", "]++)")  # a blank line is no row
        fields = [f"({field})" if number in wanted else field for number in range(columns.width)]
        return re.compile(rf"({re.escape(self._delimiter).join(fields)}(?:\r?\n|\Z))")


class _Reader:
    """Text to rows, by three patterns: a row as it must be, any row, a row that has not ended."""

    def __init__(
        self, row: re.Pattern[str], any_row: re.Pattern[str], open_row: re.Pattern[str], columns: Columns
    ) -> None:
        self._row, self._any, self._open = row, any_row, open_row
        contact = columns.contact
        self._has_contact = contact is not None
        self._swapped = contact is not None and contact < columns.address
        self._same = contact == columns.address

    def read(self, chunk: bytes, line: int, ended: bool, full: bool) -> tuple[Part, int]:
        """Rows of a chunk that begins at `line`, and how many of its bytes they are.

        ended: nothing comes behind it. full: the first row is too long to wait for its end.
        """
        try:
            text, sound = chunk.decode(), True
        except UnicodeDecodeError:
            text, sound = chunk.decode(*CODEC), False
        found = self._row.findall(text)
        if sound and sum(map(len, map(_first, found))) == len(text):  # rows and nothing between
            return self._part(found, [], 0, len(chunk)), len(chunk)
        return self._slowly(text, line, ended, full)

    def _slowly(self, text: str, line: int, ended: bool, full: bool) -> tuple[Part, int]:
        found: list[tuple[str, ...]] = []
        broken: list[Broken] = []
        at = blank = 0
        while at < len(text):
            match = self._row.match(text, at)
            if match is None and (empty := _BLANK.match(text, at)):
                blank, at, line = blank + 1, empty.end(), line + 1
                continue
            if match is None or not match[0]:
                if not ended and not (full and at == 0) and self._open.match(text, at):
                    break
                whole = self._any.match(text, at)
                end = whole.end() if whole and whole[0] else (text.find("\n", at) + 1 or len(text))
                broken.append(Broken(line, text[at:end]))
            else:
                end = match.end()
                if _UNDECODABLE.search(match[0]):
                    broken.append(Broken(line, match[0]))
                else:
                    found.append(match.groups())
            line += text.count("\n", at, end)
            at = end
        size = len(text[:at].encode(*CODEC))
        return self._part(found, broken, blank, size), size

    def _part(self, found: list[tuple[str, ...]], broken: list[Broken], blank: int, size: int) -> Part:
        if not found:
            return Part([], [], [] if self._has_contact else None, broken, blank, size)
        rows, *columns = (list(each) for each in zip(*found, strict=True))
        if self._swapped:
            columns.reverse()
        addresses = [unquoted(each) for each in columns[0]]
        contacts = [unquoted(each) or None for each in columns[-1]] if self._has_contact else None
        return Part(rows, addresses, contacts, broken, blank, size)


_BLANK = re.compile(r"\r?\n")


def _first(found: tuple[str, ...]) -> str:
    return found[0]


def unquoted(field: str) -> str:
    """What a field says."""
    return field[1:-1].replace('""', '"') if field[:1] == '"' else field


def line_end(row: str) -> str:
    """`\\r\\n`, `\\n`, or nothing."""
    if row.endswith("\n"):
        return "\r\n" if row.endswith("\r\n") else "\n"
    return ""


def _bare(row: str) -> str:
    return row[: len(row) - len(line_end(row))]
