"""A benchmark that cannot say "wrong" measures nothing: each judge is shown a wrong result."""

import tomllib
from datetime import UTC, datetime

import orjson
import pytest

from benchmarks import race_input
from benchmarks.digest import state_digest
from benchmarks.oracle import Given, WrongLists, check_lists, fold
from benchmarks.population import POLICY, records
from benchmarks.profile import ROWS, stage_costs
from benchmarks.rivals.merge import apply
from consent_stream.domain.policy import read_policy
from consent_stream.domain.standing import LISTS
from consent_stream.topology import app
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECEIVED = int(NOW.timestamp()) * 1_000_000
RING = Keyring({0: bytes(32)})
RULES = read_policy(tomllib.loads(POLICY))
EVENTS = [Given(0, offset, RECEIVED, value) for offset, value in enumerate(records(1_000, 200, NOW))]
RECEIVED_AT = {(given.partition, given.offset): given.received for given in EVENTS}


@pytest.fixture(scope="module")
def registers():
    return fold(EVENTS, RULES, RING)


@pytest.fixture(scope="module")
def written():
    """The lists as the worker's two stages would write them, a slice of ten facts at a time."""
    folder, rows, found, offset = Folder(RULES), {}, {channel: {} for channel in LISTS}, 0
    waiting = [
        fact
        for given in EVENTS
        for fact in take_in(given.value, given.received, (given.partition, given.offset), RULES, RING.subject).facts
    ]
    while waiting:
        piece, waiting = waiting[:10], waiting[10:]
        keys = dict.fromkeys(fact.key for fact in piece)
        effects = folder.fold(
            [(offset + place, fact) for place, fact in enumerate(piece)], [(key, rows.get(key)) for key in keys]
        )
        offset += len(piece)
        rows |= effects.rows
        for channel, key, entry in effects.entries:
            found[channel][key] = entry
        waiting += [decode_fact(key, value) for key, value in effects.derived]
    return found


@pytest.fixture
def lists(written):
    """A copy to spoil."""
    return {channel: dict(records) for channel, records in written.items()}


def test_right_lists_pass_and_have_one_digest(registers, lists):
    compared, digest = check_lists(registers, lists, RULES, RECEIVED_AT)
    assert compared == sum(map(len, lists.values())) > 100
    assert check_lists(registers, lists, RULES, RECEIVED_AT) == (compared, digest)


@pytest.mark.parametrize("channel", LISTS)
def test_a_missing_record_is_wrong(registers, lists, channel):
    del lists[channel][min(lists[channel])]
    with pytest.raises(WrongLists, match=r"1 keys are missing"):
        check_lists(registers, lists, RULES, RECEIVED_AT)


@pytest.mark.parametrize("channel", LISTS)
def test_another_record_under_a_key_is_wrong(registers, lists, channel):
    first, second = sorted(lists[channel])[:2]
    lists[channel][first] = lists[channel][second]
    with pytest.raises(WrongLists, match=r" 1 differ"):
        check_lists(registers, lists, RULES, RECEIVED_AT)


def test_a_record_of_nobody_is_wrong(registers, lists):
    lists["email"][b"\x01a\x00" + bytes(16)] = next(iter(lists["email"].values()))
    with pytest.raises(WrongLists):
        check_lists(registers, lists, RULES, RECEIVED_AT)


def test_the_population_is_the_same_each_time_and_only_its_garbage_is_refused():
    assert [given.value for given in EVENTS] == list(records(1_000, 200, NOW))
    refused = [
        taken.refusal.code
        for given in EVENTS
        if (taken := take_in(given.value, given.received, (0, given.offset), RULES, RING.subject)).refusal
    ]
    assert 0 < len(refused) < 0.02 * len(EVENTS)
    assert set(refused) <= {"not_cloudevent", "unknown_type", "no_subject"}


def _race_state(events):
    states = {}
    for key, value, _ in events:
        apply(states.setdefault(key, {}), orjson.loads(value))
    return states


def test_the_state_of_the_race_depends_on_every_key_but_not_on_order_or_repetition():
    events = list(race_input.records(2_000))
    assert len(events) == 2_000
    right = state_digest(_race_state(events).items())
    assert state_digest(_race_state([*reversed(events), *events]).items()) == right
    states = _race_state(events)
    del states[events[0][0]]
    assert state_digest(states.items()) != right


def test_every_partition_of_the_race_ends_with_its_last_milestone():
    last = {}
    for key, _, partition in race_input.records(2_000):
        if race_input.milestone(key) is not None:
            last[partition] = race_input.milestone(key)
    assert last == dict.fromkeys(range(race_input.PARTITIONS), race_input.MILESTONES)


def test_the_profile_names_functions_that_there_are():
    stacks = [
        "run (consent_stream/engine/run.py:1);_take_slice (consent_stream/topology/app.py:1);take_in "
        "(consent_stream/topology/intake.py:1);read_events (consent_stream/wire/records.py:1) 3",
        "select (selectors.py:1) 1",
    ]
    costs = {(stage, part): cost for stage, part, cost in stage_costs(stacks, 100) if cost}
    assert costs == {("intake", "JSON decode"): 300.0, (ROWS[-1][0], ""): 100.0}
    assert callable(app._take_slice)
    assert callable(app._fold_slice)
