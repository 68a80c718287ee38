"""One figure for a whole final state, whoever wrote it and in whatever order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson


def state_digest(rows: Iterable[tuple[bytes, Any]]) -> str:
    """SHA-256 over (key, value as JSON with sorted members), sorted by key; first 16 bytes in hex.

    Values are compared as JSON, since engines write members in their own order.
    """
    total = hashlib.sha256()
    for key, value in sorted(rows, key=lambda row: row[0]):
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        for part in (key, text):
            total.update(len(part).to_bytes(4, "big"))
            total.update(part)
    return total.hexdigest()[:32]
