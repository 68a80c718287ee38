"""A CSV file on its way through a scrub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from consent_stream.gate.scrub.csvrows import BOM, CODEC, Columns, CsvRows, Part, line_end
from consent_stream.gate.scrub.outputs import Digest
from consent_stream.gate.scrub.tally import BROKEN


class CsvList:
    """Kept rows go to `kept` byte for byte. In `removed` each has one field more, its reasons; a broken line stands
    there as text in the first column, with U+FFFD for what is no UTF-8, and one that is too long does not."""

    def __init__(self, rows: CsvRows, columns: Columns, delimiter: str, kept: Digest, removed: Digest) -> None:
        self._rows, self._columns, self._delimiter = rows, columns, delimiter
        self._kept, self._removed = kept, removed
        self._end = line_end(rows.header) or "\n"

    def parts(self) -> Iterator[Part]:
        """The rows, with the header written."""
        header = self._rows.header
        self._kept.write(header.encode())
        self._removed.write(self._with_reasons(header, (reason_column(self._rows.names),)).encode())
        return self._rows.parts(self._columns)

    def write(self, part: Part, reasons: Sequence[tuple[str, ...]]) -> None:
        """Each row to where it belongs."""
        self._kept.write("".join([row for row, why in zip(part.rows, reasons, strict=True) if not why]).encode())
        removed = [self._with_reasons(row, why) for row, why in zip(part.rows, reasons, strict=True) if why]
        for _, text in part.broken:
            if text is not None:
                removed.append(self._as_text(text))
        self._removed.write("".join(removed).encode())

    def _with_reasons(self, row: str, why: tuple[str, ...]) -> str:
        end = line_end(row)
        return f"{row[: len(row) - len(end)]}{self._delimiter}{' '.join(why)}{end or self._end}"

    def _as_text(self, line: str) -> str:
        seen = line[: len(line) - len(line_end(line))].encode(*CODEC).decode(errors="replace").replace('"', '""')
        return f'"{seen}"{self._delimiter * self._columns.width}{BROKEN}{self._end}'


def reason_column(names: Sequence[str]) -> str:
    """A name that no column has."""
    name = "reason"
    while name in [each.removeprefix(BOM) for each in names]:
        name = f"scrub_{name}"
    return name
