"""Another policy on literal registers, and on tables: the same policy flips nobody, another one whom it should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.facts import CONTACT, EMAIL, SMS, Fact, Grant, Part, Restriction
from consent_stream.domain.nodes import node
from consent_stream.domain.policy import Policy, Tenant, read_policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import parse_instant
from consent_stream.rebuild.activate import read_approval
from consent_stream.rebuild.retained import LATER, OLDER, RETAINED, Cut, Fill, Span
from consent_stream.rebuild.tables import AFTER, COMMON, Tables
from consent_stream.rebuild.trial import Trial, judge
from consent_stream.rebuild.whatif import DECISION, INTAKE, MOST_ROWS, Flip, Tally, everyone_else, flips
from consent_stream.settings import Settings
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import ROOT_KEY_BYTES, Keyring
from consent_stream.wire.state import encode_registers
from tests.laws.harness import run
from tests.laws.histories import LATE, NOON, POLICY, histories

KEYS = Keyring({0: bytes(ROOT_KEY_BYTES)})
ANA = KEYS.subject("acme", "email", "ana@example.com")
AT = int(NOON.timestamp()) * 1_000_000
NEWS = node("marketing", "email", "news")
CONSENT = Tenant()


def grant(level: int, where: Any = NEWS, ident: str = "g", until: int = AT + 10) -> Grant:
    return Grant(AT - 10, ident, "/edge", until, where, level, (), "n1", "1", "", "", "consent.granted")


def refusal(where: Any = NEWS) -> Restriction:
    return Restriction("topic_opt_out", where, False, AT - 20, "r", "/edge", "consent.withdrawn")


def registers(*parts: Part, channels: int = EMAIL) -> Registers:
    reg = Registers("acme", channels)
    reg.apply(Fact(ANA, channels, "acme", "e", "/edge", "x", AT, 0, 0, False, parts))
    return reg


def flip(through: str, scope: str, before: Sequence[str], after: Sequence[str], purpose: str = "marketing") -> Flip:
    return Flip(through, "acme", "email", purpose, scope, tuple(before), tuple(after))


def test_more_evidence_is_asked_of_those_who_have_less() -> None:
    reg = registers(grant(2), grant(4, node("sharing", "*", "*"), "s"))
    assert list(flips(reg, reg, CONSENT, Tenant(min_evidence=3), AT)) == [
        flip(DECISION, "news", (), ["evidence_too_low"])
    ]
    assert list(flips(reg, reg, Tenant(min_evidence=3), CONSENT, AT)) == [
        flip(DECISION, "news", ["evidence_too_low"], ())
    ]


def test_migrated_grants_count_only_where_nobody_refused() -> None:
    loose, where = Tenant(allow_migrated=True), node("marketing", "email", "offers")
    reg = registers(grant(1), grant(1, where, "o"), refusal())
    assert list(flips(reg, reg, CONSENT, loose, AT)) == [flip(DECISION, "offers", ["evidence_too_low"], ())]


def test_a_basis_lets_in_whoever_did_not_object() -> None:
    loose = Tenant(basis={"marketing": "legitimate_interest"})
    reg = registers(refusal())
    assert list(flips(reg, reg, CONSENT, loose, AT)) == [flip(DECISION, "*", ["no_consent"], ())]
    assert list(everyone_else("acme", CONSENT, loose, AT)) == [
        Flip(DECISION, "acme", channel, "marketing", "*", ("no_consent",), ()) for channel in ("email", "sms")
    ]


def test_both_steps_are_told_of_where_one_takes_back_the_other() -> None:
    before, after = registers(grant(2)), registers(grant(3))
    assert list(flips(before, after, CONSENT, Tenant(min_evidence=3), AT)) == [
        flip(DECISION, "news", (), ["evidence_too_low"]),
        flip(INTAKE, "news", ["evidence_too_low"], ()),
    ]


def test_an_event_that_is_not_taken_in_any_more_takes_its_grant_along() -> None:
    before, after = registers(grant(3)), Registers()
    assert list(flips(before, after, CONSENT, CONSENT, AT)) == [flip(INTAKE, "news", (), ["no_consent"])]
    assert list(flips(after, before, CONSENT, CONSENT, AT)) == [flip(INTAKE, "news", ["no_consent"], ())]


def test_contacts_are_not_asked_about() -> None:
    reg = registers(grant(2), channels=CONTACT)
    assert list(flips(reg, reg, CONSENT, Tenant(min_evidence=3), AT)) == []
    assert {each.channel for each in flips(registers(channels=SMS), Registers(), CONSENT, CONSENT, AT)} == set()


def test_what_does_not_decide_flips_nobody_by_decision() -> None:
    reg = registers(grant(2), refusal(node("marketing", "email", "*")))
    other = Tenant(stop_scope="program", unsubscribe_scope="channel", consent_valid_months=1, sms_program="x")
    assert list(flips(reg, reg, CONSENT, other, AT)) == []


def test_a_tally_has_a_bound_and_loses_no_flip() -> None:
    tally = Tally()
    for number in range(MOST_ROWS + 5):
        tally.add([flip(DECISION, f"s{number}", (), ["no_consent"])])
    tally.add([])
    assert len(tally.flips) == MOST_ROWS + 1
    assert sum(tally.flips.values()) == tally.keys == MOST_ROWS + 5
    assert tally.judged == MOST_ROWS + 6
    assert tally.rows()[0] == (flip(DECISION, "…", (), ["no_consent"]), 5)


def test_a_list_of_flips_is_read_as_an_approval(tmp_path: Any) -> None:
    from consent_stream.commands.what_if_report import line

    path = tmp_path / "flips.txt"
    path.write_text(line(ANA, flip(DECISION, "a # b\n", ["no_consent"], ())) + "\n")
    assert read_approval(path) == [ANA.hex()]


@pytest.mark.parametrize(
    ("offset", "received", "place"),
    [
        (4, 99, OLDER),
        (4, 100, OLDER),  # told twice before retention reached it
        (5, 100, RETAINED),
        (8, 150, RETAINED),
        (9, 150, LATER),
        (7, 99, OLDER),  # of a topic that was there before this one
        (12, 99, OLDER),
    ],
)
def test_where_a_fact_comes_from(offset: int, received: int, place: str) -> None:
    where = Cut({0: Span(first=5, stop=9, since=100)}, {})
    fact = Fact(ANA, EMAIL, "acme", "e", "/edge", "x", received, 0, offset, False, ())
    assert where.place(fact) == place
    assert where.place(fact._replace(partition=1)) == OLDER


def taken(history: Sequence[Mapping[str, Any]], policy: Policy) -> list[Fact]:
    """Facts by the worker's own intake, the place of each event its number in the history."""
    found: list[Fact] = []
    for number, arrival in enumerate(history):
        received = parse_instant(arrival["received"])
        assert received is not None
        found += take_in(orjson.dumps(arrival["event"]), received, (0, number), policy, KEYS.subject).facts
    return found


def tried(history: Sequence[Mapping[str, Any]], older: int, old: Policy, new: Policy) -> dict[bytes, list[Flip]]:
    """Flips by key, the first `older` events being out of retention."""
    trial = Trial(old, new, KEYS, AT + LATE, AT, None, 0, "")
    facts = taken(history, old)
    with Tables(old) as tables:
        tables.fold(COMMON, [fact for fact in facts if fact.offset < older])
        tables.keep([fact for fact in facts if fact.offset >= older])
        tables.fold_kept(lambda done, total: None)
        tables.fold(AFTER, [fact for fact in taken(history, new) if fact.offset >= older])
        keys = [pair.key for pair in tables.pairs()]
        assert len(keys) == len(set(keys)) <= tables.count()
        return {pair.key: judge(pair, trial) or [] for pair in tables.pairs()}


@settings(max_examples=60, deadline=None)
@given(histories(12), st.integers(0, 12))
def test_the_same_policy_flips_nobody(history: list[dict[str, Any]], older: int) -> None:
    policy = read_policy(POLICY)
    assert not any(tried(history, older, policy, policy).values())


@settings(max_examples=60, deadline=None)
@given(histories(12), st.integers(0, 12))
def test_rows_do_not_depend_on_what_is_folded_first(history: list[dict[str, Any]], older: int) -> None:
    policy = read_policy(POLICY)
    facts = taken(history, policy)
    with Tables(policy) as tables:
        tables.fold(COMMON, [fact for fact in facts if fact.offset < older])
        tables.keep([fact for fact in facts if fact.offset >= older])
        tables.fold_kept(lambda done, total: None)
        tables.fold(AFTER, [fact for fact in facts if fact.offset >= older])
        rows = {key: encode_registers(reg) for key, reg in run(POLICY, history)[0].registers.items()}
        assert {pair.key: pair.before for pair in tables.pairs()} == rows
        assert {pair.key: pair.after for pair in tables.pairs()} == rows


def changed(random: Random) -> dict[str, Any]:
    tenants, sources = dict(POLICY["tenants"]), dict(POLICY["sources"])
    tenants["acme"] = {**tenants["acme"], "min_evidence": random.choice(["E2", "E3", "E4"])}
    tenants["hooli"] = {"allow_migrated": random.choice([True, False]), "unsubscribe_scope": "channel"}
    sources["/edge"] = {**sources["/edge"], "max_evidence": random.choice(["E2", "E3", "E4"])}
    sources["/rogue"] = {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]}
    return {**POLICY, "tenants": tenants, "sources": sources}


@settings(max_examples=100, deadline=None)
@given(histories(12), st.integers(0, 1000))
def test_flips_are_what_worlds_of_either_policy_differ_in(history: list[dict[str, Any]], seed: int) -> None:
    """With all events in retention: worlds of the laws' own harness, which share no fold with the tables."""
    table = changed(Random(seed))
    old, new = read_policy(POLICY), read_policy(table)
    before, after = (run(each, history)[0].registers for each in (POLICY, table))
    found = tried(history, 0, old, new)
    assert found.keys() == before.keys() | after.keys()
    for key in found:
        was, now = before.get(key, Registers()), after.get(key, Registers())
        name = was.tenant or now.tenant
        assert _told(found[key]) == _told(flips(was, now, old.tenant(name), new.tenant(name), AT + LATE))


def _told(found: Iterable[Flip]) -> list[Flip]:
    return sorted(found)


def test_an_event_of_before_a_rotation_is_no_news_under_the_newer_key() -> None:
    """Two key ids are live, and partition 0 was taken in under the older alone until its fourth event."""
    ring = Keyring({0: bytes(ROOT_KEY_BYTES), 1: bytes([1]) * ROOT_KEY_BYTES}, 1)
    fill = Fill(Settings(), 0, Cut({0: Span(0, 9, 0)}, {}), Tables(Policy()), None)
    older, newer = (ring.under(kid, "acme", "email", "ana@example.com") for kid in (0, 1))
    told = [
        Fact(key, EMAIL, "acme", "e", "/edge", "x", AT, 0, offset, False, ())
        for offset in (2, 4, 6)
        for key in (older, newer)
    ]
    fill.know([fact for fact in told if fact.key == older or fact.offset >= 4])
    assert list(fill.told_under(told, ring)) == [told[0], *told[2:]]
    assert list(fill.told_under(told, Keyring({1: bytes(ROOT_KEY_BYTES)}, 1))) == told
