"""Whatever a sender writes: facts, a refusal or counts come out, and the facts go all the way to the lists.

A record that raises would stop the worker again at each restart, and everybody's withdrawals behind it.
"""

import copy
import json
from random import Random

import pytest

from consent_stream.domain.events import CODES
from consent_stream.domain.policy import read_policy
from consent_stream.domain.times import parse_instant
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.state import decode_registers
from consent_stream.wire.suppression import decode_entry
from tests.laws.histories import POLICY, event

KEYS = Keyring({0: bytes(32)})
HALF = "\ud800"  # half a character: no encoding has it
NASTY = [
    None, True, False, 0, -1, 3.5, 1e308, 10**19, -(10**30), 2**63, 2**64, "", " ", "*", "a//b", "a/*", "\0", "x\0y",
    HALF, "é" * 300, "x" * 5000, [], {}, [[]], [None], {"a": None}, ["*"], [1], [HALF], {HALF: HALF},
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
    "1990-01-01T00:00:00Z", "9999-12-31", "0001-01-01", "2026-02-30", "credential:x@9999-12-31T23:59:59.999999Z",
    "credential:@", "grant:", "batch:", "notice:@", "*:*:*", "marketing:email:*", ":::", "١٢٣", "\u202e@\u202e",
    "a@b@c", "@", '"a@b"@example.com', "ana@xn--a", "under_13", "E4", "E9", {"id": "n1", "version": True},
    {"id": [], "version": {}}, ["a", "a"], ["a", " A "], {"*": True, "": True, "a//b": 1},
    {"usnat": {"SaleOptOut": 1, "Gpc": True}}, {"a": {"OptOut": [1]}},
]  # fmt: skip
ENVELOPE = ["specversion", "id", "source", "type", "time", "tenant", "data"]
FIELDS = [
    "contact", "email", "phone", "region", "keys", "channel", "purpose", "scope", "notice", "evidence", "names",
    "valid_until", "batch", "credential", "method", "origin", "words", "approved_by", "node", "kind", "voids",
    "topics", "text", "program", "headers", "sections", "feedback_type", "status", "disconnect_date", "birth_date",
    "band", "date", "reason",
]  # fmt: skip
FAR_OFF = [parse_instant("0001-01-01T00:00:00Z"), parse_instant("9999-12-31T23:59:59Z")]


def nasty_event(random: Random):
    arrival = event(random.choice)
    found, received = arrival["event"], parse_instant(arrival["received"])
    for _ in range(random.choice((1, 1, 2, 3))):
        value = copy.deepcopy(random.choice(NASTY))
        if isinstance(found.get("data"), dict) and random.random() < 0.8:
            found["data"][random.choice(FIELDS)] = value
        else:
            found[random.choice(ENVELOPE)] = value
    return found, random.choice((*FAR_OFF, *(received,) * 6))


def go_all_the_way(value, received, place, policy, folder, rows):
    """The record through both stages, by their bytes."""
    taken = take_in(value, received, place, policy, KEYS.subject)
    assert taken.facts or taken.refusal or taken.counts
    assert taken.refusal is None or taken.refusal.code in CODES
    waiting = [(fact.key, encode_fact(fact)) for fact in taken.facts]
    while waiting:
        key, record = waiting.pop(0)
        effects = folder.fold([(place[1], decode_fact(key, record))], [(key, rows.get(key))])
        rows |= effects.rows
        for row in effects.rows.values():
            decode_registers(row)
        for _, _, entry in effects.entries:
            decode_entry(entry)
        waiting += effects.derived


@pytest.mark.parametrize("seed", range(8))
def test_fields_of_any_type_and_size(seed):
    random, policy = Random(seed), read_policy(POLICY)
    folder, rows = Folder(policy), {}
    for number in range(150):
        found, received = nasty_event(random)
        go_all_the_way(json.dumps(found).encode(), received, (0, number), policy, folder, rows)
    assert len(rows) > 10


@pytest.mark.parametrize("name", FIELDS)
def test_each_nasty_value_in_each_field(name):
    """Of a type that reads the field, as far as the rules have one."""
    policy = read_policy(POLICY)
    reading = {
        "voids": "consent.invalidated", "approved_by": "admin.lift", "node": "admin.suppress", "kind": "review.cleared",
        "topics": "preference.set", "text": "sms.inbound", "program": "sms.inbound", "headers": "signal.gpc",
        "sections": "signal.gpp", "feedback_type": "feedback.complaint", "status": "delivery.bounced",
        "disconnect_date": "number.reassigned", "birth_date": "subject.age_asserted", "band": "subject.age_asserted",
        "date": "import.row", "method": "import.row", "origin": "import.row",
    }  # fmt: skip
    for number, value in enumerate(NASTY):
        for type_ in {reading.get(name, "consent.granted"), "consent.withdrawn"}:
            found = {
                "specversion": "1.0", "id": f"e{number}", "source": "/edge", "type": type_ + ".v1", "tenant": "acme",
                "time": "2026-03-10T12:00:00Z",
                "data": {"email": "ana@example.com", "channel": "email", "notice": {"id": "n1", "version": 1}},
            }  # fmt: skip
            found["data"][name] = value
            value_bytes = json.dumps(found).encode()
            go_all_the_way(value_bytes, FAR_OFF[1], (0, number), policy, Folder(policy), {})
