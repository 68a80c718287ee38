"""Avro schemas of the wire: where they are, and the ten bytes in front of every value (single-object encoding).

The fingerprints are written down, not computed at start: a schema that changes by accident then fails a test instead
of making bytes that nobody reads. A new version of a schema gets a new constant beside the old one.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import fastavro.schema
import orjson

from consent_stream.wire.avro import WireError

MAGIC = b"\xc3\x01"
REGISTRY_BYTES = 5  # before a record in a registry's framing: 00, and the id of its schema there
NAMES = (
    "consent_event", "ledger_fact", "consent_state", "suppression", "consent_change", "heartbeat", "progress", "send",
    "gate_report",
)  # fmt: skip


@cache
def schema(name: str) -> Any:
    """The parsed schema of `schemas/<name>.avsc`, without logical types: our times are integers."""
    return fastavro.schema.parse_schema(_physical(schema_json(name)))


def _physical(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _physical(value) for key, value in node.items() if key != "logicalType"}
    return [_physical(item) for item in node] if isinstance(node, list) else node


@cache
def schema_json(name: str) -> Any:
    return orjson.loads(files("consent_stream").joinpath("schemas", f"{name}.avsc").read_bytes())


def header_of(name: str) -> bytes:
    """Magic and CRC-64-AVRO fingerprint, little-endian, of a schema's parsing canonical form."""
    return MAGIC + rabin(fastavro.schema.to_parsing_canonical_form(schema_json(name)).encode()).to_bytes(8, "little")


def rabin(data: bytes) -> int:
    """CRC-64-AVRO, as the Avro specification gives it."""
    empty = 0xC15D213AA4D7A795
    fingerprint = empty
    for byte in data:
        fingerprint ^= byte
        for _ in range(8):
            fingerprint = (fingerprint >> 1) ^ (empty if fingerprint & 1 else 0)
    return fingerprint


def check_header(b: bytes, header: bytes) -> None:
    """Errors: `WireError` with code `unknown_schema` when `b` does not start with `header`."""
    if b[:10] != header:
        raise WireError("unknown_schema", "a value of another schema, or none")


def registry_header(ident: int) -> bytes:
    """What stands before a record in a registry's framing. ident: of its schema there, 1 to 2^31 − 1."""
    return b"\0" + ident.to_bytes(4, "big")


CONSENT_EVENT = bytes.fromhex("c30143a3168199b302da")
LEDGER_FACT = bytes.fromhex("c301969c4be9025011ce")
CONSENT_STATE = bytes.fromhex("c301974ad6ff57ce6dba")
SUPPRESSION = bytes.fromhex("c3014f87189b31fe584e")
CONSENT_CHANGE = bytes.fromhex("c301c51f58088252df35")
HEARTBEAT = bytes.fromhex("c3010e7bbd6d44669b15")
PROGRESS = bytes.fromhex("c301e6ae517a0e36a3a6")
SEND = bytes.fromhex("c3010c54a037a810f219")
GATE_REPORT = bytes.fromhex("c301ca91cea4609290e6")
