"""A Parquet file on its way through a scrub. Needs the `parquet` extra."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from consent_stream.gate.scrub.csvlist import reason_column
from consent_stream.gate.scrub.csvrows import Broken, FileFault
from consent_stream.gate.scrub.outputs import Digest

ROWS = 8192  # asked about at one moment
GROUP = 65_536  # rows of a row group that is written


class ParquetPart(NamedTuple):
    """Rows next to each other; see `csvrows.Part`. No line of a Parquet file is broken by itself."""

    batch: Any
    addresses: list[str]
    contacts: list[str | None] | None
    broken: list[Broken]
    blank: int
    bytes: int


class ParquetList:
    """Schema and compression stay; `removed` has one column more, the reasons.

    source: an open file. Errors: FileFault for a file that is none, or whose column holds no text.
    """

    def __init__(self, source: Any, address: str, contact: str | None, kept: Digest, removed: Digest) -> None:
        self._file = parquet_file(source)
        schema = self._file.schema_arrow
        self.total = self._file.metadata.num_rows
        self._address, self._contact = address, contact
        for name in (address, contact):
            if name is not None and not _is_text(schema.field(name).type):
                raise FileFault(f"its column {name} holds no text")
        self._reason = reason_column(schema.names)
        self._removed_schema = schema.append(pa.field(self._reason, pa.string()))
        packed = self._compression()
        self._kept = _Groups(pq.ParquetWriter(_Sink(kept), schema, compression=packed))
        self._removed = _Groups(pq.ParquetWriter(_Sink(removed), self._removed_schema, compression=packed))

    def parts(self) -> Iterator[ParquetPart]:
        """The rows. Errors: FileFault for a file that is damaged."""
        try:
            for batch in self._file.iter_batches(batch_size=ROWS):
                addresses = [each or "" for each in _texts(batch, self._address)]
                contacts = None if self._contact is None else [each or None for each in _texts(batch, self._contact)]
                yield ParquetPart(batch, addresses, contacts, [], 0, batch.num_rows)
        except pa.ArrowException as error:
            raise FileFault("is damaged: a row group cannot be read") from error

    def write(self, part: ParquetPart, reasons: Sequence[tuple[str, ...]]) -> None:
        """Each row to where it belongs."""
        keep = pa.array([not why for why in reasons])
        self._kept.add(part.batch.filter(keep))
        removed = part.batch.filter(pa.array([bool(why) for why in reasons]))
        why = pa.array([" ".join(each) for each in reasons if each], pa.string())
        self._removed.add(pa.RecordBatch.from_arrays([*removed.columns, why], schema=self._removed_schema))

    def close(self) -> None:
        """Write what is left, and the footers."""
        self._kept.close()
        self._removed.close()

    def _compression(self) -> Any:
        meta = self._file.metadata
        if not meta.num_row_groups:
            return "snappy"
        columns = [meta.row_group(0).column(number) for number in range(meta.num_columns)]
        packed = {
            each.path_in_schema: "NONE" if each.compression == "UNCOMPRESSED" else each.compression for each in columns
        }
        return {**packed, self._reason: "snappy"}


class _Sink(io.RawIOBase):
    """What Arrow writes to. It is closed by Arrow, and the file behind it by whoever opened that."""

    def __init__(self, file: Digest) -> None:
        self._to = file

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        return self._to.write(chunk)


class _Groups:
    """Batches, gathered to row groups."""

    def __init__(self, writer: Any) -> None:
        self._writer, self._batches, self._rows = writer, list[Any](), 0

    def add(self, batch: Any) -> None:
        if batch.num_rows:
            self._batches.append(batch)
            self._rows += batch.num_rows
        if self._rows >= GROUP:
            self._write()

    def close(self) -> None:
        if self._rows:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=2 * GROUP)
        self._batches, self._rows = [], 0


def parquet_file(source: Any) -> Any:
    """A path or an open file. Errors: FileFault for one that is none."""
    try:
        return pq.ParquetFile(source)
    except pa.ArrowException as error:
        raise FileFault("is no Parquet file") from error


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _texts(batch: Any, name: str) -> list[str | None]:
    found: list[str | None] = batch.column(name).cast(pa.string()).to_pylist()
    return found
