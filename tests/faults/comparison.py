"""What a deployment must hold after a given input, computed from the input alone, compared with what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import groupby

import fastavro

from benchmarks.oracle import Given, check_lists, fold
from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.policyfile import load_policy
from consent_stream.topics import active_generation
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.schemas import schema
from consent_stream.wire.state import encode_registers
from consent_stream.wire.suppression import Entry, decode_entry
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, QUARANTINE, STATE, SUPPRESSION
from tests.faults.answers import check_gate
from tests.faults.committed import check_committed, check_stores
from tests.faults.deployment import KEYS, Deployment, Found

GATE_SAMPLE = 150  # keys: short forms
Published = dict[str, list[tuple[Found, Entry]]]


def check_everything(deployment: Deployment, fenced: bool = True, sample: int | None = GATE_SAMPLE) -> int:
    """Nothing lost, nothing added, everything reproducible, nothing committed too early, and gates answer by it; how
    many list records were compared.

    sample: keys that each gate is asked about, None for all. The workers have ended.
    Errors: AssertionError or benchmarks.oracle.WrongLists.
    """
    policy, _ = load_policy(deployment.settings.policy)
    events = [
        Given(each.partition, each.offset, each.timestamp * 1000, each.value or b"") for each in deployment.read(EVENTS)
    ]
    check_quarantine(events, deployment.read(QUARANTINE), policy, EVENTS.full(deployment.prefix))
    registers = fold(events, policy, KEYS)
    state = {each.key: each.value for each in deployment.read(STATE)}
    assert state == {key: encode_registers(reg) for key, reg in registers.items()}
    published = {channel: list(entries_of(deployment.read(topic))) for channel, topic in SUPPRESSION.items()}
    latest = {channel: latest_of(entries, fenced) for channel, entries in published.items()}
    received = {(each.partition, each.offset): each.received for each in events}
    compared, _ = check_lists(registers, latest, policy, received)
    check_replay(deployment.read(LEDGER), published, latest, lambda: Folder(policy, deployment.generation))
    if fenced:
        check_changes(deployment.read(CHANGES), published)
    check_committed(deployment)
    check_stores(deployment)
    if deployment.generation == active_generation(deployment.settings):  # gates read no other
        assert check_gate(deployment, sample) > 0
    return compared


def check_quarantine(events: Iterable[Given], found: Iterable[Found], policy: Policy, topic: str) -> None:
    """What must be there, by place, and byte for byte; a replay may put it there twice."""
    wanted: dict[tuple[int, int], tuple[str, bytes]] = {}
    for given in events:
        place = given.partition, given.offset
        refusal = take_in(given.value, given.received, place, policy, KEYS.subject).refusal
        if refusal is not None:
            wanted[place] = refusal.code, given.value
    there = {}
    for each in found:
        headers = dict(each.headers)
        assert headers["consent-error-topic"] == topic.encode()
        assert headers["consent-error-stage"] == b"intake"
        place = int(headers["consent-error-partition"]), int(headers["consent-error-offset"])
        there[place] = headers["consent-error-code"].decode(), each.value or b""
    assert there == wanted


def entries_of(found: Iterable[Found]) -> Iterator[tuple[Found, Entry]]:
    for each in found:
        assert each.value is not None, "a null value says nothing and must not be written"
        if each.key != HEARTBEAT_KEY:
            yield each, decode_entry(each.value)


def latest_of(entries: Iterable[tuple[Found, Entry]], fenced: bool) -> dict[bytes, bytes]:
    """The greatest version of each key, as a gate keeps it. Behind a fence the last record is the greatest."""
    kept: dict[bytes, tuple[int, bytes]] = {}
    for found, entry in entries:
        assert found.key is not None
        assert found.value is not None
        version, value = kept.get(found.key, (0, b""))
        if entry.version == version:
            assert value == found.value, "one version, two values"
        if fenced:
            assert entry.version > version, "an older record came after a newer one, or one came twice"
        if entry.version > version:
            kept[found.key] = entry.version, found.value
    return {key: value for key, (_, value) in kept.items()}


def check_replay(
    ledger: Iterable[Found],
    published: Published,
    latest: dict[str, dict[bytes, bytes]],
    new_folder: Callable[[], Folder],
) -> None:
    """The ledger folded again in other slices gives the same records under the same versions."""
    for partition, records in groupby(ledger, lambda each: each.partition):
        folder, rows = new_folder(), dict[bytes, bytes]()
        again: dict[tuple[str, bytes, int], bytes] = {}
        for slice_ in _slices(records, 37):
            keys = list(dict.fromkeys(fact.key for _, fact in slice_))
            effects = folder.fold(slice_, [(key, rows.get(key)) for key in keys])
            rows |= effects.rows
            again |= {(channel, key, decode_entry(entry).version): entry for channel, key, entry in effects.entries}
        finals: dict[tuple[str, bytes], bytes] = {}
        for (channel, key, _), value in again.items():
            finals[channel, key] = value
        for (channel, key), value in finals.items():
            assert latest[channel][key] == value
        for channel, entries in published.items():
            for found, entry in entries:
                if found.partition == partition:
                    assert found.key is not None
                    assert again.get((channel, found.key, entry.version), found.value) == found.value


def _slices(records: Iterable[Found], size: int) -> Iterator[list[tuple[int, Fact]]]:
    waiting: list[tuple[int, Fact]] = []
    for each in records:
        assert each.key is not None
        waiting.append((each.offset, decode_fact(each.key, each.value or b"")))
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def check_changes(found: Iterable[Found], published: Published) -> None:
    """Each key's changes on a list are a chain that ends in what its record says."""
    after: dict[tuple[str, bytes | None], dict] = {}  # type: ignore[type-arg]
    for each in found:
        change = fastavro.schemaless_reader(BytesIO((each.value or b"")[10:]), schema("consent_change"), None)
        at = change["channel"], each.key
        if at in after:
            assert change["version"] > after[at]["version"]
            # A standing is that of an append time. The next fact may be of an earlier one, from another partition.
            if change["received"] >= after[at]["received"]:
                assert change["before"] == after[at]["after"], f"a link is missing before {change}"
        after[at] = change
    for channel, entries in published.items():
        for key, entry in {record.key: entry for record, entry in entries}.items():
            said = after.get((channel, key))
            status = said["after"]["status"] if said else "CLEAR"
            assert status == entry.status
