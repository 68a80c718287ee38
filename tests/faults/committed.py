"""No offset that a stage would go on from lies beyond what is proven to be in the topics behind it.

Three kinds of offsets are kept, and each makes one promise:
- the group's of `consent.events`: of every event before it, each fact is in the ledger and each refusal in quarantine;
- the group's of `consent.ledger`: every fact before it is folded into `consent.state`;
- a store's of `consent.ledger` (it wins over the group's, see `engine.starts`): the same, and its rows are the state's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from rocksdict import AccessType, Options, Rdict

from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.engine.partition import Meta
from consent_stream.policyfile import load_policy
from consent_stream.topology.app import group_id
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.topology.regressions import TABLE
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.topics import EVENTS, LEDGER, QUARANTINE, STATE, Topic
from tests.faults.deployment import KEYS, Deployment

META = b"\0meta"  # the row of a store that holds its offsets


def check_committed(deployment: Deployment) -> int:
    """How many offsets were checked. May be called while workers run: offsets are asked first, then what they promise.

    Errors: AssertionError, which names a topic and partition.
    """
    policy, _ = load_policy(deployment.settings.policy)
    taken, folded = committed(deployment, EVENTS), committed(deployment, LEDGER)
    _check_taken(deployment, policy, taken)
    _check_folded(_Folded(deployment, policy), folded, "the group")
    return len(taken) + len(folded)


def check_stores(deployment: Deployment) -> int:
    """The same of the stores of workers that have ended; how many there are that reflect anything."""
    policy, _ = load_policy(deployment.settings.policy)
    there, ends = _Folded(deployment, policy), deployment.ends(STATE)
    seen = 0
    for path, number in stores(deployment):
        rows = _rows(path)
        raw = rows.pop(META, None)
        if raw is None:
            continue
        meta = Meta.unpack(raw)
        if LEDGER.full(deployment.prefix, deployment.generation) not in meta.sources:
            continue  # of a worker of another generation, or of one that folded nothing yet
        seen += 1
        assert all(key in there.state for key in rows), f"rows of {path.name} that no changelog holds"
        applied = {number: max((at for _, at in meta.sources.values()), default=0)}
        _check_folded(there, applied, f"store {path.parent.parent.name}/{number}")
        assert meta.changelog <= ends[number], f"store {number} reflects more of its changelog than there is"
    return seen


def committed(deployment: Deployment, topic: Topic) -> dict[int, int]:
    """The group's offset of each partition that has one."""
    group = group_id(deployment.prefix, deployment.generation)
    consumer = Consumer(deployment.settings.consumer(**{"group.id": group}))
    try:
        generation = deployment.generation if topic.rebuilt else 0
        name = topic.full(deployment.prefix, generation)
        asked = [TopicPartition(name, p) for p in deployment.ends(topic)]
        return {each.partition: each.offset for each in consumer.committed(asked, 20) if each.offset >= 0}
    finally:
        consumer.close()


def stores(deployment: Deployment) -> Iterator[tuple[Path, int]]:
    """The RocksDB of every partition of every worker, those moved aside left out."""
    for current in sorted(deployment.folder.glob(f"data-*/**/{TABLE}/*/CURRENT")):
        if current.parent.name.isdigit():
            yield current.parent, int(current.parent.name)


def _rows(path: Path) -> dict[bytes, bytes]:
    store = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        return dict(store.items())
    finally:
        store.close()


def _check_taken(deployment: Deployment, policy: Policy, taken: dict[int, int]) -> None:
    events = deployment.read(EVENTS)
    there = {(each.key, each.value) for each in deployment.read(LEDGER)}
    refused = set()
    for each in deployment.read(QUARANTINE):
        headers = dict(each.headers)
        refused.add((int(headers["consent-error-partition"]), int(headers["consent-error-offset"])))
    for each in events:
        if each.offset >= taken.get(each.partition, 0):
            continue
        place = each.partition, each.offset
        found = take_in(each.value or b"", each.timestamp * 1000, place, policy, KEYS.subject)
        lost = [fact for fact in found.facts if (fact.key, encode_fact(fact)) not in there]
        assert not lost, f"{EVENTS.name}/{place[0]}: committed beyond offset {place[1]}, facts of which are missing"
        assert found.refusal is None or place in refused, f"{EVENTS.name}/{place[0]}: a refusal is missing"


class _Folded:
    """The facts of each ledger partition, and the state, as they are now."""

    def __init__(self, deployment: Deployment, policy: Policy) -> None:
        self.policy, self.generation = policy, deployment.generation
        self.facts: dict[int, list[tuple[int, Fact]]] = {}
        for each in deployment.read(LEDGER):
            fact = decode_fact(each.key or b"", each.value or b"")
            self.facts.setdefault(each.partition, []).append((each.offset, fact))
        self.state = {
            each.key: each.value for each in deployment.read(STATE)
        }  # after the facts: it may only be further


def _check_folded(there: _Folded, folded: dict[int, int], whose: str) -> None:
    for partition, offset in folded.items():
        facts = there.facts.get(partition, [])
        later = {fact.key for at, fact in facts if at >= offset}
        before = [(at, fact) for at, fact in facts if at < offset]
        keys = dict.fromkeys(fact.key for _, fact in before)
        rows = Folder(there.policy, there.generation).fold(before, [(key, None) for key in keys]).rows
        # A key of which more is told later may be further in the state by now; of the others it says exactly this.
        behind = [key for key, row in rows.items() if key not in later and there.state.get(key) != row]
        assert not behind, f"{whose}: {LEDGER.name}/{partition} at {offset}, {len(behind)} keys are not folded"
