"""CloudEvents as the edge sends them (WIRE §1)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event(type: str, source: str, tenant: str, *, at: int, ident: str | None = None, **data: Any) -> dict[str, Any]:
    """One event. type: as in WIRE §1, without `.v1`. at: µs. ident: its id, random unless given; the same id, source
    and content twice do no harm. Members of `data` that are None are left out."""
    return {
        "specversion": "1.0",
        "id": ident or uuid.uuid4().hex,
        "source": source,
        "type": f"{type}.v1",
        "time": instant(at),
        "tenant": tenant,
        "datacontenttype": "application/json",
        "data": {name: value for name, value in data.items() if value is not None},
    }


def instant(at: int) -> str:
    """An instant in µs as RFC 3339 has it, UTC."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z")
