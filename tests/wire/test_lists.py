"""Whoever has a list alone decides as the state does: nothing that a decision needs stays behind."""

from pathlib import Path

import pytest

from consent_stream import simulate
from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.nodes import CHANNELLESS, PURPOSES
from consent_stream.gate.question import subjects
from consent_stream.scenario import read_scenarios
from consent_stream.topology.fold import Folder
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.suppression import decode_entry

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.json"))
KEYS = Keyring({0: bytes(32)})


def lists_after(scenario):
    """{(list, key): entry}, by the greatest version, as a compacted topic holds them."""
    folder, rows, lists, offset = Folder(scenario.policy), {}, {}, 0
    records, _ = simulate._take_in(scenario, KEYS)
    waiting = [record for each in records for record in each]
    while waiting:
        key, value = waiting.pop(0)
        effects = folder.fold([(offset, decode_fact(key, value))], [(key, rows.get(key))])
        rows |= effects.rows
        waiting += effects.derived
        for channel, written, entry in effects.entries:
            decoded = decode_entry(entry)
            known = lists.get((channel, written))
            assert known is None or known.version < decoded.version, "a version only grows"
            assert (decoded.channel, decoded.version) == (channel, offset + 1)
            lists[channel, written] = decoded
        offset += 1
    return lists


def answer(asked, scenario, lists, channel):
    email, phone = (asked.address, None) if asked.channel == "email" else (None, asked.address)
    probed = subjects(KEYS)(asked.tenant, email, phone, None, asked.contact, asked.region)
    if probed.fault:
        return (probed.fault,)
    views = [
        View(lists[channel, key].registers, base)
        for base, keys in ((False, probed.keys), (True, probed.bases))
        for key in keys
        if (channel, key) in lists
    ]
    rules = scenario.policy.tenant(asked.tenant)
    return decide(question(asked.purpose, asked.channel, asked.scope), asked.at, views, rules, asked.channel).reasons


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_lists_answer_as_scenarios_expect(path):
    for scenario in read_scenarios(path):
        lists = lists_after(scenario)
        for asked in scenario.expect:
            if asked.purpose not in PURPOSES:
                continue
            assert answer(asked, scenario, lists, asked.channel) == asked.reasons
            if asked.purpose in CHANNELLESS:
                assert answer(asked, scenario, lists, "sharing") == asked.reasons


def test_there_are_scenarios_to_ask_about():
    assert sum(len(scenario.expect) for path in SCENARIOS for scenario in read_scenarios(path)) > 100
