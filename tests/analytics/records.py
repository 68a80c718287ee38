"""Records as a consumer gives them, without a broker; and what an archive holds, read by another library's reader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from consent_stream.analytics.archive import Chunk, day_of
from consent_stream.analytics.tables import batch, table_of


@dataclass
class Record:
    """What `tables` asks of a Kafka message."""

    at: tuple[int, int]
    value_: bytes | None
    key_: bytes | None = None
    when: int = 1_772_366_400_000  # ms
    headers_: list[tuple[str, bytes]] = field(default_factory=list)

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def timestamp(self) -> tuple[int, int]:
        return 1, self.when

    def key(self) -> bytes | None:
        return self.key_

    def value(self) -> bytes | None:
        return self.value_

    def headers(self) -> list[tuple[str, bytes]]:
        return self.headers_


def rows(name: str, records: Iterable[Record]) -> list[dict[str, Any]]:
    """The rows of records, as Arrow has them."""
    table = table_of(name)
    found: list[dict[str, Any]] = batch(table.schema, [table.row(each) for each in records]).to_pylist()
    return found


def chunks(name: str, records: Iterable[Record]) -> list[Chunk]:
    """Records as an export hands them to its archive."""
    table, sorted_out = table_of(name), dict[tuple[int, str], list[Any]]()
    for each in records:
        row = table.row(each)
        sorted_out.setdefault((each.partition(), day_of(row[table.dated])), []).append(row)
    return [Chunk(p, day, [batch(table.schema, found)]) for (p, day), found in sorted_out.items()]


def held(folder: Path, directory: str = "topic=consent.changes") -> list[dict[str, Any]]:
    """All rows of a topic in an archive, by partition and offset; each file is read by itself."""
    found = [row for path in (folder / directory).rglob("*.parquet") for row in pq.ParquetFile(path).read().to_pylist()]
    return sorted(found, key=lambda row: (row["partition"], row["offset"]))
