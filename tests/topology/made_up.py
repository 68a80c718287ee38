"""Fictional tenants, sources and events for the tests of the two stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import read_policy
from consent_stream.topology.intake import Intake, take_in
from consent_stream.wire.keys import Keyring

KEYS = Keyring({0: bytes(32)})
NOTICE = {"id": "n1", "version": 1}
POLICY = read_policy({
    "tenants": {"acme": {}},
    "sources": {"/edge": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]}},
    "notices": {"acme": [{**NOTICE, "sha256": "00", "effective": "2026-01-01T00:00:00Z",
                          "purposes": ["marketing", "sharing"]}]},
})  # fmt: skip
NOON = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z in microseconds
ANA = {"email": "ana@example.com", "channel": "email"}


def event(kind: str = "unsubscribe.oneclick", ident: str = "e1", /, **data: Any) -> dict[str, Any]:
    """A CloudEvent of tenant acme at noon; without `data` it is about Ana's mailbox."""
    return {
        "specversion": "1.0", "id": ident, "source": "/edge", "type": f"{kind}.v1", "time": "2026-03-01T12:00:00Z",
        "tenant": "acme", "data": data or ANA,
    }  # fmt: skip


def granted(ident: str = "g1", **data: Any) -> dict[str, Any]:
    return event("consent.granted", ident, **{**ANA, "scope": "news", "notice": NOTICE, "evidence": "E3", **data})


def take(value: bytes | None, received: int = NOON, place: tuple[int, int] = (3, 14)) -> Intake:
    return take_in(value, received, place, POLICY, KEYS.subject)


def facts_of(*events: Mapping[str, Any], received: int = NOON) -> list[Fact]:
    """All facts of events at offsets 0, 1, … of partition 0, appended at `received`."""
    taken: Iterable[Intake] = (take(orjson.dumps(each), received, (0, i)) for i, each in enumerate(events))
    return [fact for each in taken for fact in each.facts]
