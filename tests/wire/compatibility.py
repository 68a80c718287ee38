"""FULL_TRANSITIVE: any version of a schema reads what any other wrote. By the checker, and by really reading.

The checker alone is not enough (the reference one overlooks defaults of the wrong type), nor are samples alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from itertools import permutations
from typing import Any, Protocol

import avro.schema
import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from .reference import HEADER, plain, reference_reads


class Version(Protocol):
    """A version of a schema with bytes of its own."""

    @property
    def schema(self) -> str: ...
    @property
    def values(self) -> list[bytes]: ...
    @property
    def records(self) -> list[Any]: ...


def faults(versions: Iterable[Version]) -> list[str]:
    """Why some version of a schema cannot read another; empty when all read all."""
    found = []
    for writer, reader in permutations(versions, 2):
        found += [f"{writer} → {reader}: {why}" for why in _checked(writer, reader)]
        for value, record in zip(writer.values, writer.records, strict=True):
            found += [f"{writer} → {reader}: {why}" for why in _read(writer, reader, value[HEADER:], record)]
    return found


def _checked(writer: Version, reader: Version) -> Iterable[str]:
    old, new = avro.schema.parse(writer.schema), avro.schema.parse(reader.schema)
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader=new, writer=old)
    if result.compatibility is not SchemaCompatibilityType.compatible:
        yield f"{result.locations} {result.messages}"


def _read(writer: Version, reader: Version, body: bytes, record: Any) -> Iterable[str]:
    """Each library must read the bytes, alike, and no value may change on the way."""
    read = []
    for name, reads in (("fastavro", _fastavro_resolves), ("avro", _avro_resolves)):
        try:
            read.append(reads(writer.schema, reader.schema, body))
        except Exception as error:  # whatever a library raises is the finding
            yield f"{name}: {type(error).__name__}: {error}"
    if len(read) == 2 and read[0] != read[1]:
        yield "fastavro and avro read different things"
    for found in read:
        yield from _changed(record, found)


def _fastavro_resolves(writer: str, reader: str, body: bytes) -> Any:
    parsed = (fastavro.parse_schema(json.loads(text)) for text in (writer, reader))
    return plain(fastavro.schemaless_reader(BytesIO(body), *parsed))


def _avro_resolves(writer: str, reader: str, body: bytes) -> Any:
    return reference_reads(writer, body, reader)


def _changed(written: Any, read: Any, where: str = "") -> Iterable[str]:
    if isinstance(written, dict) and isinstance(read, dict):
        for name in written.keys() & read.keys():
            yield from _changed(written[name], read[name], f"{where}.{name}")
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, (one, other) in enumerate(zip(written, read, strict=True)):
            yield from _changed(one, other, f"{where}[{number}]")
    elif written != read:
        yield f"{where} changes its value"
