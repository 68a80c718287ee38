"""Avro as others do it: fastavro and the reference implementation, from the .avsc alone; and a writer of odd blocks.

Plain values are what a schema says without logical types: times in microseconds, dates in days, bytes as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import avro.io
import avro.schema
import fastavro

HEADER = 10  # bytes in front of a value: magic and fingerprint
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fastavro_reads(schema_text: str, body: bytes) -> Any:
    """What fastavro finds in `body`; it must be read to the end."""
    stream = BytesIO(body)
    found = fastavro.schemaless_reader(stream, fastavro.parse_schema(json.loads(schema_text)), None)
    assert stream.read() == b"", "bytes behind the record"
    return plain(found)


def reference_reads(schema_text: str, body: bytes, reader_text: str | None = None) -> Any:
    """What the reference implementation finds in `body`, resolved to another schema when one is given."""
    stream = BytesIO(body)
    reader = avro.schema.parse(reader_text) if reader_text else None
    found = avro.io.DatumReader(avro.schema.parse(schema_text), reader).read(avro.io.BinaryDecoder(stream))
    assert stream.read() == b"", "bytes behind the record"
    return plain(found)


def reference_writes(schema_text: str, record: Any) -> bytes:
    """`record` (plain values) by the reference implementation."""
    stream = BytesIO()
    physical = avro.schema.parse(json.dumps(without_logical_types(json.loads(schema_text))))
    avro.io.DatumWriter(physical).write(record, avro.io.BinaryEncoder(stream))
    return stream.getvalue()


def fastavro_writes(schema_text: str, record: Any) -> bytes:
    """`record` (plain values) by fastavro."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(without_logical_types(json.loads(schema_text))), record)
    return stream.getvalue()


def without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return [without_logical_types(item) for item in schema] if isinstance(schema, list) else schema


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return value.toordinal() - _EPOCH.date().toordinal()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


class OddBlocks:
    """Writes plain values as no writer of ours does and any may: arrays of many blocks, some with their size in bytes.

    Source: Avro specification, "Arrays": a negative count is followed by the size of the block.
    """

    def __init__(self, schema_text: str) -> None:
        self.schema = json.loads(schema_text)
        self.names = {each["name"]: each for each in named(self.schema)}

    def write(self, value: Any) -> bytes:
        return b"".join(self._any(self.schema, value))

    def _any(self, schema: Any, value: Any) -> Iterator[bytes]:
        if isinstance(schema, list):
            branch = next(i for i, each in enumerate(schema) if self._fits(each, value))
            yield varint(branch)
            yield from self._any(schema[branch], value)
            return
        if isinstance(schema, str) and schema in self.names:
            schema = self.names[schema]
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "record":
            for field in schema["fields"]:
                yield from self._any(field["type"], value[field["name"]])
        elif kind == "array":
            yield from self._array(schema["items"], value)
        elif kind in ("string", "bytes"):
            raw = value.encode() if kind == "string" else value
            yield varint(len(raw)) + raw
        elif kind == "boolean":
            yield b"\1" if value else b"\0"
        elif kind == "fixed":
            yield value
        elif kind in ("int", "long"):
            yield varint(value)
        elif kind != "null":
            yield from self._any(kind, value)  # a type in a type: {"type": {"type": …}}

    def _array(self, items: Any, values: list[Any]) -> Iterator[bytes]:
        for at in range(0, len(values), 2):
            block = values[at : at + 2]
            raw = b"".join(b"".join(self._any(items, each)) for each in block)
            yield varint(-len(block)) + varint(len(raw)) + raw if at % 4 == 0 else varint(len(block)) + raw
        yield varint(0)

    def _fits(self, schema: Any, value: Any) -> bool:
        if isinstance(schema, str) and schema in self.names:
            schema = self.names[schema]
        if schema == "null" or value is None:
            return schema == "null" and value is None
        if isinstance(schema, dict) and schema["type"] == "record":
            return isinstance(value, dict) and set(value) == {field["name"] for field in schema["fields"]}
        return True


def named(node: Any) -> Iterator[dict[str, Any]]:
    """Every record, enum and fixed in a schema, however deep."""
    if isinstance(node, list):
        for each in node:
            yield from named(each)
    elif isinstance(node, dict):
        if node.get("type") in ("record", "enum", "fixed"):
            yield node
        for field in node.get("fields", ()):
            yield from named(field["type"])
        yield from named(node.get("items"))
        if isinstance(node.get("type"), dict | list):
            yield from named(node["type"])


def varint(n: int) -> bytes:
    """A number as the specification's text says it, apart from the code under test."""
    z = n * 2 if n >= 0 else -n * 2 - 1
    out = []
    while z >= 128:
        out.append(z % 128 + 128)
        z //= 128
    return bytes([*out, z])
