"""Law: what a dry run tells of a list is what the worker then makes of it, for generated lists and files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.policy import read_policy
from consent_stream.gate.question import subjects
from consent_stream.gate.rows import read_row
from consent_stream.importing.difference import Comparison
from consent_stream.importing.events import Batch, tell
from consent_stream.importing.rows import Row
from consent_stream.importing.survey import Item
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact

KEYS = Keyring({0: bytes(32), 1: bytes(range(32))})  # a rotation is under way
NOW = 1_767_225_600_000_000  # 2026-01-01
POLICY = read_policy({
    "tenants": {"acme": {"allow_migrated": True}},
    "sources": {
        "/edge": {"clock": "ours", "max_evidence": "E4", "tenants": ["acme"]},
        "/import/csv": {"clock": "dated", "max_evidence": "E1", "tenants": ["acme"]},
    },
    "notices": {"acme": [{"id": "n1", "version": 3, "effective": "2020-01-01T00:00:00Z", "purposes": ["marketing"]}]},
})  # fmt: skip
BATCH = Batch("acme", "/import/csv", "b", "ab" * 32, scope="news", method="form", origin="www", notice="n1@3")

people = st.sampled_from(["ana@example.com", "ana+x@example.com", "ben@example.com", "b.en@gmail.com", "ben@gmail.com"])
days = st.sampled_from(["2024-06-01", "2025-01-01", "2025-06-01", "2031-01-01", ""])
scopes = st.sampled_from(["news", "news/weekly", "*", "news//x", ""])
# Without what a list does not have, as `difference` says: deliveries (so no `consent.confirmed`) and links.
told_before = st.tuples(
    st.sampled_from(["consent.granted", "consent.renewed", "unsubscribe.link", "unsubscribe.global",
                     "feedback.complaint", "delivery.bounced", "subject.erasure_ordered"]),
    people, days, scopes,
)  # fmt: skip
statuses = st.sampled_from(["subscribed", "unsubscribed", "bounced", "complained"])
rows = st.builds(
    lambda n, status, address, day, scope: Row(
        str(n), str(n), status, address, time=day and f"{day}T00:00:00Z", scope=scope
    ),
    st.integers(1, 99), statuses, people, days, scopes,
)  # fmt: skip


class Worker:
    """State and list as the two stages make them."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.list: dict[bytes, bytes] = {}
        self._folder, self._offset = Folder(POLICY), 0

    def take(self, value: bytes) -> None:
        facts = take_in(value, NOW, (0, self._offset), POLICY, KEYS.subject, KEYS.older).facts
        while facts:
            numbered = [(self._offset + at, fact) for at, fact in enumerate(facts)]
            self._offset += len(facts)
            keys = dict.fromkeys(fact.key for fact in facts)
            effects = self._folder.fold(numbered, [(key, self.state.get(key)) for key in keys])
            self.state.update(effects.rows)
            self.list.update({key: entry for channel, key, entry in effects.entries if channel == "email"})
            facts = [decode_fact(key, each) for key, each in effects.derived]

    def allows(self, address: str, scope: str) -> bool:
        asked = subjects(KEYS)("acme", address, None, None, None, None)
        views = [
            View(read_row(self.list[key]).registers, base)
            for base, keys in ((False, asked.keys), (True, asked.bases))
            for key in keys
            if key in self.list
        ]
        x = question("marketing", "email", scope)
        return decide(x, NOW, views, POLICY.tenant("acme"), "email").allow


def event(number: int, kind: str, address: str, day: str, scope: str) -> bytes:
    data: dict[str, Any] = {"email": address, "channel": "email", "notice": {"id": "n1", "version": 3}}
    data |= {"scope": scope} if scope else {}
    data |= {"evidence": "E4", "names": ["marketing:*:*", "marketing:email:*"]} if kind == "consent.renewed" else {}
    data |= {"status": "5.1.1"} if kind == "delivery.bounced" else {}
    told = {"specversion": "1.0", "id": str(number), "source": "/edge", "type": f"{kind}.v1", "tenant": "acme"}
    return orjson.dumps({**told, "data": data} | ({"time": f"{day}T12:00:00Z"} if day else {}))


@settings(max_examples=200, deadline=None)
@given(st.lists(told_before, max_size=8), st.lists(rows, max_size=8))
def test_a_dry_run_counts_what_the_worker_then_does(before, imported):
    worker = Worker()
    for number, each in enumerate(before):
        worker.take(event(number, *each))
    items = [Item(number, row, tell(row, BATCH)) for number, row in enumerate(imported, 1)]
    comparison = Comparison(BATCH, dict(worker.list).get, KEYS, POLICY, NOW)
    comparison.take(items)
    found = comparison.difference()
    places = {(row.address, scope_of(row)) for row in imported}
    was = {place: allowed(worker, *place) for place in places}
    for item in items:
        if item.told.value is not None:
            worker.take(item.told.value)
    now = {place: allowed(worker, *place) for place in places}
    assert found.addresses == len(places)
    lost, won = ({place for place in places if a[place] - b[place]} for a, b in ((was, now), (now, was)))
    assert found.newly_denied == len(lost)
    assert found.newly_allowed == len(won - lost)
    assert found.still_allowed == sum(bool(now[place]) for place in places - lost - won)
    assert found.already_denied + found.still_denied == sum(not now[place] for place in places - lost - won)


def allowed(worker: Worker, address: str, scope: str) -> set[str]:
    """In which scopes that matter to a row of this scope the address may be mailed."""
    return {
        each for each in ({"*", "news", "news/weekly"} if scope == "*" else {scope}) if worker.allows(address, each)
    }


def test_a_complaint_of_all_scopes_newly_denies_who_consented_to_one():
    worker = Worker()
    worker.take(event(1, "consent.granted", "ana@example.com", "2025-01-01", "news"))
    batch = replace(BATCH, scope="*")
    row = Row("1", "1", "complained", "ana@example.com", time="2025-06-01T00:00:00Z")
    comparison = Comparison(batch, dict(worker.list).get, KEYS, POLICY, NOW)
    comparison.take([Item(1, row, tell(row, batch))])
    assert comparison.difference().newly_denied == 1


def scope_of(row: Row) -> str:
    scope = row.scope or BATCH.scope
    return "*" if scope == "news//x" else scope
