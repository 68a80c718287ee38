"""Records of `consent.events` → events, and what goes to quarantine when they are none (WIRE §1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import fastavro
import orjson

from consent_stream.wire import lenient
from consent_stream.wire.avro import WireError
from consent_stream.wire.schemas import CONSENT_EVENT, schema
from consent_stream.wire.topics import LARGEST_KEPT

ERROR = "consent-error-"  # begins the headers that say why and whence
MAX_VALUE = 256 * 1024  # bytes
MAX_BATCH = 1000  # events in one record
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Headers = list[tuple[str, bytes]]


def read_events(value: bytes | None) -> list[Any]:
    """The events in a record, as parsed; whether each is a CloudEvent is judged later.

    White space and a byte order mark before JSON are skipped (RFC 8259 §8.1 lets a parser): an editor that wrote one
    must not cost a withdrawal.

    Errors: `WireError` with the quarantine code `too_large` or `not_cloudevent`.
    """
    if not value:
        raise WireError("not_cloudevent", "an empty value")
    if len(value) > MAX_VALUE:
        raise WireError("too_large", f"{len(value)} bytes; at most {MAX_VALUE} are read")
    if value[:2] == b"\xc3\x01":
        return [_read_avro(value)]
    if value[0] in (0, 1):
        raise WireError("not_cloudevent", "registry framing with an unknown schema")
    parsed = _read_json(value.removeprefix(_BYTE_ORDER_MARK))
    if isinstance(parsed, list):
        if not 0 < len(parsed) <= MAX_BATCH:
            raise WireError("not_cloudevent", f"a batch of {len(parsed)} events; 1 to {MAX_BATCH} are read")
        return parsed
    return [parsed]


def _read_json(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as exc:
        fault = f"no JSON: {exc.msg} at byte {exc.pos}"
    try:
        return lenient.loads(value)
    except (ValueError, RecursionError):
        raise WireError("not_cloudevent", fault) from None


def _read_avro(value: bytes) -> dict[str, Any]:
    if value[:10] != CONSENT_EVENT:
        raise WireError("not_cloudevent", "an Avro value of an unknown schema")
    body = BytesIO(value[10:])
    try:
        record: Any = fastavro.schemaless_reader(body, schema("consent_event"), None)
        data = {name: field for name, field in record["data"].items() if field is not None}
        extra = orjson.loads(data.pop("extra", "{}"))
    except (EOFError, IndexError, ValueError, OverflowError, MemoryError) as exc:
        raise WireError("not_cloudevent", "an Avro event that cannot be read") from exc
    if body.read(1):
        raise WireError("not_cloudevent", "bytes behind an Avro event")
    if not isinstance(extra, dict):
        raise WireError("not_cloudevent", "an Avro event whose extra is no JSON object")
    event = {name: field for name, field in record.items() if field is not None}
    event["data"] = extra | data
    return event


def fit_for_quarantine(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
) -> tuple[bytes | None, bytes | None, Headers, bool]:
    """A record as it came, or, where no topic of ours would take it, the beginning of its value alone: cut.

    A broker measures what a sender compressed: 40 MiB of blanks are a few KiB to it, and our producer refuses them.
    """
    kept = list(headers)
    size = len(key or b"") + len(value or b"") + sum(len(name.encode()) + len(raw or b"") for name, raw in kept)
    if size <= LARGEST_KEPT:
        return key, value, kept, False
    return None, (value or b"")[:MAX_VALUE], [], True


def told_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """What a quarantined record's headers say of it: `code`, `stage`, … as text. Anybody may have written them."""
    ours = [(name, raw) for name, raw in headers if name.startswith(ERROR)]
    return {name.removeprefix(ERROR): (raw or b"").decode(errors="replace") for name, raw in ours}


def error_headers(
    code: str,
    stage: str,
    place: tuple[str, int, int],
    message: str = "",
    indices: Sequence[int] = (),
    original: Iterable[tuple[str, bytes]] = (),
) -> Headers:
    """Headers of a quarantined record: the original ones, then why and whence. `indices` are events of a batch."""
    topic, partition, offset = place
    headers = [(name, raw) for name, raw in original if not name.startswith(ERROR)]
    headers += [
        ("consent-error-code", code.encode()),
        ("consent-error-stage", stage.encode()),
        ("consent-error-topic", topic.encode()),
        ("consent-error-partition", str(partition).encode()),
        ("consent-error-offset", str(offset).encode()),
        ("consent-error-message", message.encode()),
    ]
    if indices:
        headers.append(("consent-error-events", ",".join(map(str, indices)).encode()))
    return headers
