"""Events of every type, from a made-up population and from the generator of the laws, under one policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from benchmarks.population import POLICY as PEOPLES_POLICY
from benchmarks.population import records
from consent_stream.wire.records import MAX_VALUE
from tests.laws.histories import POLICY as LAW_POLICY
from tests.laws.histories import seeded

SENT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def toml(policy: Mapping[str, Any]) -> str:
    """A policy as tables with inline values."""
    lines: list[str] = []
    for section in ("tenants", "sources"):
        for name, entry in policy[section].items():
            lines += [f"[{section}.{json.dumps(name)}]", *(f"{key} = {_inline(value)}" for key, value in entry.items())]
    for tenant, notices in policy["notices"].items():
        for notice in notices:
            lines += [f"[[notices.{tenant}]]", *(f"{key} = {_inline(value)}" for key, value in notice.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


POLICY = PEOPLES_POLICY + toml(LAW_POLICY)


def events(people_events: int, law_events: int, people: int = 3_000, seed: int = 1) -> list[bytes]:
    """Values for `consent.events`: duplicates, disorder and poison among them."""
    random = Random(seed)
    found = list(records(people_events, people, SENT))
    laws = [orjson.dumps(arrival["event"]) for arrival in seeded(seed, law_events)]
    batches = [b"[" + b",".join(laws[at : at + 20]) + b"]" for at in range(0, law_events // 4, 20)]
    poison = [
        b"x" * (MAX_VALUE + 1),
        b"[" * 5_000,
        b"\xc3\x01" + bytes(30),
        b'{"type":"unsubscribe.oneclick.v1"}',
        b"[]",
    ]
    found += laws + batches + poison
    random.shuffle(found)
    return found
