"""An archive made from events by the very functions that a worker runs: intake → ledger → fold → changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from consent_stream.analytics.archive import Archive, Manifest, locked
from consent_stream.analytics.tables import table_of
from consent_stream.domain.policy import read_policy
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.send import HANDED_OVER, HELD_BACK, Send, encode_send
from tests.analytics.records import Record, chunks

KEYS = Keyring({0: bytes(32)})
PARTITIONS = 4
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
PURPOSES = ["marketing", "sharing", "profiling", "transactional"]
TENANTS = ("acme", "bolt")
POLICY: Mapping[str, Any] = {
    "tenants": {tenant: {} for tenant in TENANTS},
    "sources": {"/forms": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]}},
    "notices": {
        tenant: [
            {"id": "n1", "version": v, "sha256": "00", "effective": "2026-01-01T00:00:00Z", "purposes": PURPOSES}
            for v in (1, 2)
        ]
        for tenant in TENANTS
    },
}  # fmt: skip


def text(instant: int) -> str:
    return datetime.fromtimestamp(instant // SECOND, UTC).isoformat().replace("+00:00", "Z")


class Lake:
    """Events and messages in the order of their instants (µs), then `write` to files."""

    def __init__(self) -> None:
        self._events: list[tuple[int, bytes]] = []
        self._sends: list[Send] = []

    def event(self, at: int, kind: str, tenant: str = "acme", **data: Any) -> None:
        """Something that happens, and is told at once."""
        ident = f"e-{len(self._events)}"
        said = {
            "specversion": "1.0", "id": ident, "source": "/forms", "type": f"{kind}.v1", "tenant": tenant,
            "time": text(at), "data": data,
        }  # fmt: skip
        self._events.append((at, orjson.dumps(said)))

    def grant(self, at: int, email: str, evidence: str = "E3", version: int = 1, **more: Any) -> None:
        kind = {"E3": "consent.confirmed", "E4": "consent.confirmed"}.get(evidence, "consent.granted")
        told = {"channel": "email", "scope": "news", "notice": {"id": "n1", "version": version}, **more}
        self.event(at, kind, email=email, evidence=evidence, **told)

    def send(
        self, at: int, email: str, message_id: str, tenant: str = "acme", scope: str = "news", **more: Any
    ) -> None:
        """A message handed over."""
        key = KEYS.subject(tenant, "email", email)
        self._sends.append(
            Send(
                tenant, "email", "marketing", scope, message_id, "mailer", "g-1", (key,), (), "email", False, at - 5,
                at, at + 5, HANDED_OVER, True, (), (), 0, 1, at - 9, at + 10 * SECOND,
            )._replace(**more)
        )  # fmt: skip

    def held_back(self, at: int, email: str, message_id: str) -> None:
        more = {"started": None, "outcome": HELD_BACK, "allow": False, "reasons": ("unsubscribed",), "valid_until": 0}
        self.send(at, email, message_id, **more)

    def write(self, folder: Path) -> None:
        """What the topics hold after all that, as an archive."""
        changes, ledger = self._through()
        sends = [(send.keys[0], encode_send(send)) for send in sorted(self._sends, key=lambda each: each.ended)]
        with locked(folder):
            for name, records in (("changes", changes), ("ledger", ledger), ("sends", sends)):
                topic, placed = table_of(name).topic.name, _placed(records)
                archive = Archive(folder, topic)
                archive.begin(Manifest(topic, "id", None, dict.fromkeys(range(PARTITIONS), 0)))
                archive.commit(chunks(name, placed), dict.fromkeys(range(PARTITIONS), len(placed)))

    def _through(self) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        policy = read_policy(POLICY)
        folder, state = Folder(policy), dict[bytes, bytes]()
        ledger, changes = list[tuple[bytes, bytes]](), list[tuple[bytes, bytes]]()
        for offset, (received, value) in enumerate(sorted(self._events, key=lambda each: each[0])):
            taken = take_in(value, received, (0, offset), policy, KEYS.subject)
            assert taken.refusal is None, taken.refusal
            waiting = [(fact.key, encode_fact(fact)) for fact in taken.facts]
            while waiting:
                key, fact = waiting.pop(0)
                ledger.append((key, fact))
                effects = folder.fold([(len(ledger) - 1, decode_fact(key, fact))], [(key, state.get(key))])
                state.update(effects.rows)
                changes += effects.changes
                waiting += effects.derived
        return changes, ledger


def _placed(records: list[tuple[bytes, bytes]]) -> list[Record]:
    """Each key in one partition."""
    ends, found = dict.fromkeys(range(PARTITIONS), 0), []
    for key, value in records:
        p = key[-1] % PARTITIONS
        found.append(Record((p, ends[p]), value, key))
        ends[p] += 1
    return found
