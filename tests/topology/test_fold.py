"""The state stage: whatever the slices, the same rows, the same list records under the same versions, no echo."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from random import Random

import fastavro
import orjson
import pytest

from consent_stream.domain.facts import Fact
from consent_stream.domain.permissions import NAMES_PER_GRANT
from consent_stream.domain.policy import read_policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import parse_instant
from consent_stream.topology import fold
from consent_stream.topology.fold import Effects, Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.schemas import schema
from consent_stream.wire.state import decode_registers, encode_registers
from consent_stream.wire.suppression import decode_entry
from consent_stream.wire.topics import LARGEST_KEPT
from tests.laws.histories import POLICY as LAW_POLICY
from tests.laws.histories import seeded
from tests.topology.made_up import ANA, KEYS, NOON, NOTICE, POLICY, event, facts_of, granted

LAWS = read_policy(LAW_POLICY)
Ledger = Sequence[tuple[int, Fact]]


class Fold:
    """A table, and everything that folding slices into it sent out."""

    def __init__(self, policy=POLICY):
        self.folder, self.policy = Folder(policy), policy
        self.rows: dict[bytes, bytes] = {}
        self.entries: list[tuple[str, bytes, bytes]] = []
        self.changes: list[tuple[bytes, bytes]] = []
        self.derived: list[Fact] = []
        self.slices = 0

    def slice(self, facts: Ledger) -> Effects:
        keys = list(dict.fromkeys(fact.key for _, fact in facts))
        effects = self.folder.fold(facts, [(key, self.rows.get(key)) for key in keys])
        self.rows |= effects.rows
        self.entries += effects.entries
        self.changes += effects.changes
        self.derived += [decode_fact(key, value) for key, value in effects.derived]
        self.slices += 1
        return effects

    def lists(self) -> dict[tuple[str, bytes], bytes]:
        return {(channel, key): value for channel, key, value in self.entries}

    def restart(self) -> None:
        """As after a crash: what was remembered is gone, the rows stay."""
        self.folder = Folder(self.policy)


def ledger_of(seed: int, size: int = 60) -> Ledger:
    """One ledger partition with a history of all types of events and the facts that followed from them."""
    facts = []
    for offset, arrival in enumerate(seeded(seed, size)):
        received = parse_instant(arrival["received"])
        assert received is not None
        facts += take_in(orjson.dumps(arrival["event"]), received, (0, offset), LAWS, KEYS.subject).facts
    grown, at = Fold(LAWS), 0
    ledger: list[tuple[int, Fact]] = []
    while at < len(facts):
        ledger.append((7 + 3 * at, facts[at]))  # offsets are not dense: transaction markers take some
        facts += [decode_fact(*each) for each in grown.slice(ledger[-1:]).derived]
        at += 1
    return ledger


def run(ledger: Ledger, cuts: Sequence[int], restart_at: int = -1) -> Fold:
    found, start = Fold(LAWS), 0
    for number, end in enumerate([*cuts, len(ledger)]):
        if number == restart_at:
            found.restart()
        if end > start:
            found.slice(ledger[start:end])
        start = end
    return found


@pytest.mark.parametrize("seed", range(40))
def test_any_slices_give_the_same_rows_lists_and_versions(seed):
    ledger, random = ledger_of(seed), Random(seed)
    one_by_one = run(ledger, range(1, len(ledger)))
    published: dict[tuple[str, bytes, int], bytes] = {}
    for round_ in range(6):
        cuts = sorted(random.sample(range(1, len(ledger)), [0, 1, 3, 10, len(ledger) // 2, len(ledger) // 2][round_]))
        found = run(ledger, cuts, restart_at=round_)
        assert found.rows == one_by_one.rows
        assert found.lists() == one_by_one.lists()
        for channel, key, value in [*found.entries, *one_by_one.entries]:
            version = decode_entry(value).version
            assert published.setdefault((channel, key, version), value) == value, "one version, two values"


@pytest.mark.parametrize("seed", range(40, 50))
def test_versions_of_a_key_only_grow_and_name_the_fact_that_changed_it(seed):
    ledger = ledger_of(seed)
    by_offset = dict(ledger)
    last: dict[tuple[str, bytes], int] = {}
    for channel, key, value in run(ledger, range(5, len(ledger), 5)).entries:
        entry = decode_entry(value)
        assert entry.version > last.get((channel, key), 0)
        last[channel, key] = entry.version
        cause = by_offset[entry.version - 1]
        assert (cause.key, cause.id, cause.partition) == (key, entry.cause_id, entry.cause_partition)
    assert last


@pytest.mark.parametrize("seed", range(50, 60))
def test_what_is_folded_again_says_nothing_and_changes_nothing(seed):
    ledger = ledger_of(seed)
    found = run(ledger, range(7, len(ledger), 7))
    rows, said = dict(found.rows), (len(found.entries), len(found.changes), len(found.derived))
    found.slice(ledger)
    found.restart()
    Random(seed).shuffle(shuffled := list(ledger))
    assert found.slice(shuffled) == Effects({}, [], [], [], [])
    assert found.rows == rows
    assert said == (len(found.entries), len(found.changes), len(found.derived))


@pytest.mark.parametrize("seed", range(60, 70))
def test_rows_do_not_depend_on_the_order_of_the_ledger(seed):
    ledger = ledger_of(seed)
    facts = [fact for _, fact in ledger]
    Random(seed).shuffle(facts)
    assert run(list(enumerate(facts)), [9, 30]).rows == run(ledger, [1, 2]).rows


def change(value: bytes) -> dict:
    return fastavro.schemaless_reader(BytesIO(value[10:]), schema("consent_change"), None)


def test_each_event_that_changes_a_standing_is_one_change_in_order():
    complaint = event("feedback.complaint", "c", **ANA, feedback_type="abuse")
    found = Fold()
    found.slice(list(enumerate(facts_of(granted(scope="*"), event(), event("unsubscribe.link", "e2"), complaint), 10)))
    said = [change(value) for _, value in found.changes]
    assert [(each["channel"], each["id"], each["version"]) for each in said] == [
        ("email", "g1", 11), ("email", "e1", 12), ("email", "c", 14),
    ]  # fmt: skip
    for before, after in pairwise(said):
        assert before["after"] == after["before"]
    assert said[0]["before"]["status"] == "CLEAR"
    assert said[-1]["after"]["reasons"] == ["complaint", "unsubscribed"]
    assert len(found.entries) == 1, "one record a key and slice"
    assert decode_entry(found.entries[0][2]).version == 14


def test_a_change_in_one_slice_and_in_many_reads_the_same():
    ledger = list(enumerate(facts_of(granted(), event(), event("unsubscribe.global", "e2"), granted("g2"))))
    assert run(ledger, []).changes == run(ledger, [1, 2, 3]).changes != []


def test_a_request_is_a_change_of_the_label_and_no_list_record():
    found = Fold()
    found.slice(list(enumerate(facts_of(event("consent.requested", "r"), event()))))
    first, second = (change(value) for _, value in found.changes)
    assert (first["id"], first["after"]["label"]) == ("r", "ConsentRequested")
    assert (second["id"], second["before"]) == ("e1", first["after"])
    assert [decode_entry(value).version for _, _, value in found.entries] == [2]


@pytest.mark.parametrize("seed", range(70, 90))
def test_the_changes_of_a_key_on_a_list_are_a_chain(seed):
    """Append times of the facts rise, as in one partition of the events: nothing changes by time alone in between."""
    ledger = [(offset, fact._replace(received=NOON + offset)) for offset, fact in ledger_of(seed)]
    last: dict[tuple[str, bytes], dict] = {}
    for key, value in run(ledger, range(3, len(ledger), 3)).changes:
        now = change(value)
        assert now["before"] != now["after"]
        before = last.get((now["channel"], key))
        if before is not None:
            assert now["before"] == before["after"]
        last[now["channel"], key] = now
    assert last


def test_a_withdrawal_by_address_reaches_the_linked_contact_and_its_other_address():
    linked = facts_of(
        granted(contact="c-1"), granted("g2", email="ana@example.org", contact="c-1"), event("unsubscribe.global", "u")
    )
    found = Fold()
    found.slice(list(enumerate(linked)))
    while found.derived:
        assert all(fact.derived for fact in found.derived)
        next_hop, found.derived = found.derived, []
        found.slice([(100 + found.slices * 10 + i, fact) for i, fact in enumerate(next_hop)])
    assert found.slices == 3, "address to contact to address, and then it ends"
    other = KEYS.subject("acme", "email", "ana@example.org")
    entry = decode_entry(found.lists()["email", other])
    assert (entry.status, entry.reasons, entry.cause_id) == ("SUPPRESSED", ("global_opt_out",), "u")


def test_a_fact_without_parts_makes_a_row_and_no_noise():
    (fact,) = facts_of(event("feedback.not_spam", "n"))
    effects = Fold().slice([(0, fact)])
    assert list(effects.rows) == [fact.key]
    assert (effects.entries, effects.changes, effects.derived) == ([], [], [])


def test_what_is_remembered_never_wins_over_the_row():
    """After a lost and won partition another worker has written the row: memory is of the past."""
    first, second = facts_of(granted(), event())
    ours = Fold()
    ours.slice([(0, first)])
    theirs = Fold()
    theirs.slice([(0, first), (1, second)])
    ours.rows = dict(theirs.rows)
    (third,) = facts_of(event("feedback.complaint", "c", **ANA, feedback_type="abuse"))
    ours.slice([(2, third)])
    theirs.restart()
    theirs.slice([(2, third)])
    assert ours.rows == theirs.rows
    assert ours.lists() == theirs.lists()


def test_a_row_that_is_gone_is_not_remembered():
    first, second = facts_of(event(), event("feedback.complaint", "c", **ANA, feedback_type="abuse"))
    found = Fold()
    found.slice([(0, first)])
    found.rows.clear()
    found.slice([(1, second)])
    registers = decode_registers(found.rows[second.key])
    assert {kind for kind, _, _ in registers.restrictions} == {"complaint"}


def test_a_slice_that_failed_leaves_nothing_in_memory():
    """The row was never written, so what was folded into the remembered registers must not come back with it."""
    first, second, third = facts_of(
        granted(), event("unsubscribe.global", "u"), event("feedback.complaint", "c", **ANA, feedback_type="abuse")
    )
    found = Fold()
    found.slice([(0, first)])
    row = found.rows[first.key]
    found.folder.fold([(1, second)], [(first.key, row)])  # proved nothing: the row stays
    found.slice([(2, third)])
    assert {kind for kind, _, _ in decode_registers(found.rows[first.key]).restrictions} == {"complaint"}


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(fold, "REMEMBERED", 10)
    events = [event("unsubscribe.oneclick", f"e{i}", email=f"p{i}@example.com", channel="email") for i in range(25)]
    found = Fold()
    for offset, fact in enumerate(facts_of(*events)):
        found.slice([(offset, fact)])
        assert len(found.folder._recent) <= 10
        assert len(found.folder._older) <= 10
    assert len(found.rows) == 25


def test_a_row_is_the_registers_of_its_facts():
    facts = facts_of(granted(contact="c-1"), event())
    wanted: dict[bytes, Registers] = {}
    for fact in facts:
        wanted.setdefault(fact.key, Registers()).apply(fact)
    found = Fold()
    found.slice(list(enumerate(facts)))
    assert found.rows == {key: encode_registers(reg) for key, reg in wanted.items()}


def test_a_key_that_turns_out_to_stand_for_more_has_its_records_written_anew():
    key = KEYS.subject("acme", "email", "ana@example.com")
    first = facts_of(event("unsubscribe.global", "u", keys=[key.hex()], channel="email"))
    second = facts_of(event("feedback.not_spam", "n", keys=[key.hex()]))  # no channel: it may be either
    found = Fold()
    found.slice(list(enumerate([*first, *second])))
    apart = Fold()
    apart.slice([(0, first[0])])
    apart.slice([(1, second[0])])
    assert found.lists() == apart.lists()
    assert {channel: decode_entry(value).version for (channel, _), value in found.lists().items()} == {
        "email": 2, "sms": 2,
    }  # fmt: skip


LONG_NAMES = [f"marketing:email:{n:02d}" + "/x" * 126 for n in range(NAMES_PER_GRANT)]


def longest(kind: str, ident: str, **more) -> dict:
    """An event whose every text is as long as any is kept."""
    texts = {"batch": "b" * 256, "credential": "c" * 256, "notice": NOTICE, "evidence": "E3", "contact": "c-1"}
    return event(kind, ident.ljust(256, "i"), **{**ANA, **texts, **more})


def test_the_largest_fact_of_an_event_fits_into_the_ledger():
    wanted = {f"{n:03d}": True for n in range(1000)}  # as many as are not widened
    (fact,) = facts_of(longest("preference.set", "p", topics=wanted, names=LONG_NAMES, contact=None))
    assert len(fact.parts) == 1000
    assert 8_000_000 < len(encode_fact(fact)) < LARGEST_KEPT


def test_the_largest_person_fits_into_a_record():
    """Grants and choices of more topics than are kept, with the longest texts there are."""
    found = Fold()
    for n in range(0, 600, 100):
        topics = [f"{scope:03d}" + "/y" * 126 for scope in range(n, n + 100)]
        chosen = longest("preference.set", f"p{n}", topics=dict.fromkeys(topics, True), names=LONG_NAMES)
        refused = longest("preference.set", f"r{n}", topics=dict.fromkeys(topics, False))
        for fact in facts_of(chosen, refused):
            found.slice([(10 * n + found.slices, fact)])
    values = [*found.rows.values(), *(value for _, _, value in found.entries)]
    assert 2_000_000 < max(map(len, values)) < LARGEST_KEPT


def in_tenant(tenant: str, kind: str, ident: str, **data) -> dict:
    return {**event(kind, ident, **data), "tenant": tenant}


def test_a_subject_key_in_another_tenants_event_changes_nothing_there():
    """A key cannot be recomputed from its hex, so the intake believes it: the row knows whose it is."""
    two = read_policy({
        "tenants": {"acme": {}, "other": {}},
        "sources": {"/edge": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]}},
        "notices": {name: [{**NOTICE, "sha256": "00", "effective": "2026-01-01T00:00:00Z", "purposes": ["marketing"]}]
                    for name in ("acme", "other")},
    })  # fmt: skip
    ana = KEYS.subject("acme", "email", ANA["email"])
    grant = {"keys": [ana.hex()], "contact": "c-9", "channel": "email", "scope": "news", "notice": NOTICE}
    events = [
        in_tenant("acme", "preference.set", "e1", **ANA, topics={"other": False}),
        in_tenant("other", "consent.granted", "e2", **grant, evidence="E3"),
        in_tenant("other", "subject.erasure_ordered", "e3", keys=[ana.hex()], contact="c-9"),
        in_tenant("other", "delivery.bounced", "e4", keys=[ana.hex()], channel="email", status="5.1.1"),
    ]
    taken = [take_in(orjson.dumps(each), NOON, (0, i), two, KEYS.subject) for i, each in enumerate(events)]
    facts = [fact for each in taken for fact in each.facts]
    assert {fact.tenant for fact in facts if fact.key == ana} == {"acme", "other"}
    own, all_of_it = Fold(two), Fold(two)
    own.slice([(i, fact) for i, fact in enumerate(facts) if fact.tenant == "acme"])
    effects = all_of_it.slice(list(enumerate(facts)))
    effects.foreign.sort()
    assert effects.foreign == [i for i, fact in enumerate(facts) if fact.key == ana and fact.tenant == "other"]
    assert all_of_it.rows[ana] == own.rows[ana]
    assert [each for each in all_of_it.entries if each[1] == ana] == own.entries
    passed_on = all_of_it.slice([(100 + i, fact) for i, fact in enumerate(all_of_it.derived)])
    assert ana not in passed_on.rows, "nor over a link"
    assert passed_on.foreign
