"""What `report` promises of its tables, tried as an attacker would who knows the program and all tables ever told."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.analytics.disclosure import LEAST, STEP, told, total
from consent_stream.analytics.months import BACK, CAUSES, TOTAL, Cell, Tally, month
from consent_stream.commands.report import _csv
from consent_stream.domain.standing import BLANK, LISTS, Standing
from consent_stream.wire.change import Change

OCTOBER = month("2026-10")
BLOCKED = Standing("PARTIAL", (), ("news",), "ConsentWithdrawn")
GONE = Standing("SUPPRESSED", ("unsubscribed",), (), "ConsentWithdrawn")
TENANTS = ("acme", "bolt")
TYPE = {  # an event of each cause
    "unsubscribed": "unsubscribe.oneclick", "withdrawn": "consent.withdrawn", "texted": "sms.inbound",
    "no sharing": "signal.gpc", "complained": "feedback.complaint", "bounced": "delivery.bounced",
    "otherwise": "admin.suppress",
}  # fmt: skip


class Deed(NamedTuple):
    """What one address did in a month. cause: None for one who came back."""

    tenant: str
    list: str
    cause: str | None
    at: int = 0  # seconds into the month


def key(number: int, kid: int = 0) -> bytes:
    return b"\x01a" + bytes((kid,)) + number.to_bytes(16, "big")


def change(deed: Deed, offset: int, *, derived: bool = False, after: Standing = BLOCKED) -> Change:
    before, after = (BLANK, after) if deed.cause else (after, BLANK)
    received = OCTOBER.begin + deed.at * 1_000_000
    kind = TYPE[deed.cause] if deed.cause else "consent.confirmed"
    return Change(
        deed.tenant, deed.list, offset, received, f"e-{offset}", "/f", kind, 0, offset, derived, before, after
    )


def table(people: Sequence[Sequence[Deed]]) -> list[Cell]:
    """Each with an address of his own."""
    tally, offset = Tally(OCTOBER), 0
    for number, deeds in enumerate(people):
        for deed in deeds:
            tally.add(key(number), change(deed, offset))
            offset += 1
    return list(tally.cells(TENANTS))


def printed(people: Sequence[Sequence[Deed]]) -> str:
    return _csv(table(people))


DEEDS = st.builds(
    Deed, st.sampled_from(TENANTS), st.sampled_from(LISTS), st.sampled_from([*CAUSES, None]), st.integers(0, 99)
)
PEOPLE = st.lists(st.lists(DEEDS, max_size=4), max_size=30)
# Some cells near the edges, where one person counts.
CROWDS = st.lists(st.tuples(DEEDS, st.integers(17, 27)), max_size=4)


def crowd(of: Sequence[tuple[Deed, int]]) -> list[list[Deed]]:
    return [[deed] for deed, count in of for _ in range(count)]


@given(PEOPLE, CROWDS)
@settings(max_examples=60, deadline=None)
def test_nothing_below_twenty_is_told_and_all_else_stands_for_five_counts(people, crowds):
    for cell in table([*people, *crowd(crowds)]):
        assert cell.people is None or (cell.people >= LEAST and cell.people % STEP == 0)


@given(PEOPLE, CROWDS, st.sampled_from(TENANTS), st.sampled_from(LISTS), st.sampled_from([*CAUSES, None]))
@settings(max_examples=60, deadline=None)
def test_a_hidden_cell_could_be_any_count_below_twenty_and_a_told_one_any_of_five(people, crowds, tenant, name, cause):
    """Other months are made, with that one cell otherwise: the table is the same to the byte."""
    others = [each for each in [*people, *crowd(crowds)] if all(deed[:3] != (tenant, name, cause) for deed in each)]
    about = Deed(tenant, name, cause)
    for counts in (range(LEAST), range(20, 25), range(25, 30), range(60, 65)):
        assert len({printed([*others, *crowd([(about, count)])]) for count in counts}) == 1


@given(PEOPLE, CROWDS, st.lists(DEEDS, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_one_person_more_changes_no_cell_but_of_what_that_person_did_and_by_one_step(people, crowds, one):
    without, with_one = table([*people, *crowd(crowds)]), table([*people, *crowd(crowds), one])
    did = {(deed.tenant, deed.list) for deed in one if deed.cause}
    back = {(deed.tenant, deed.list) for deed in one if not deed.cause}
    changed = [(a, b) for a, b in zip(without, with_one, strict=True) if a != b]
    causes = [pair for pair in changed if pair[0].what not in (TOTAL, BACK)]
    assert {(a.tenant, a.list) for a, _ in causes} <= did
    assert len(causes) <= len(did), "of a list one cell at most: who said no twice counts once"
    assert {(a.tenant, a.list) for a, _ in changed if a.what == BACK} <= back
    for a, b in changed:
        assert (b.people or 0) - (a.people or 0) in (STEP, LEAST)


@given(PEOPLE, CROWDS)
@settings(max_examples=40, deadline=None)
def test_totals_and_tables_of_one_tenant_tell_nothing_that_is_not_told(people, crowds):
    cells = table([*people, *crowd(crowds)])
    for tenant, name in product(TENANTS, LISTS):
        group = {each.what: each.people for each in cells if (each.tenant, each.list) == (tenant, name)}
        assert group[TOTAL] == total([group[cause] for cause in CAUSES])
        shown = [each for each in map(group.get, CAUSES) if each is not None]
        assert group[TOTAL] == (sum(shown) if shown else None)


@given(PEOPLE)
@settings(max_examples=40, deadline=None)
def test_which_lines_there_are_says_nothing(people):
    lines = [each[:4] for each in table(people)]
    assert lines == [each[:4] for each in table([])]
    assert len(lines) == len(TENANTS) * len(LISTS) * (len(CAUSES) + 2)
    assert {row["people"] for row in csv.DictReader(io.StringIO(printed([])))} == {"<20"}


@given(PEOPLE, CROWDS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_records_and_their_repetition_change_nothing(people, crowds, random):
    records = []
    for number, deeds in enumerate([*people, *crowd(crowds)]):
        records += [(key(number), change(deed, len(records) + i)) for i, deed in enumerate(deeds)]
    again = [*records, *random.sample(records, len(records) // 2)]
    random.shuffle(again)
    found = []
    for each in (records, again):
        tally = Tally(OCTOBER)
        for record in each:
            tally.add(*record)
        found.append(list(tally.cells(TENANTS)))
    assert found[0] == found[1]


def counted(records: Sequence[tuple[bytes, Change]], what: str = "unsubscribed") -> int | None:
    tally = Tally(OCTOBER)
    for record in records:
        tally.add(*record)
    (found,) = (
        each.people for each in tally.cells(TENANTS) if (each.tenant, each.list, each.what) == ("acme", "email", what)
    )
    return found


NO = Deed("acme", "email", "unsubscribed")


def test_ten_people_under_two_keys_are_not_twenty():
    """An address and its base form, or under two key ids, or two of a contact: one event changes both."""
    both = [(key(n + more, kid), change(NO, n)) for n in range(19) for more, kid in ((0, 0), (1000, 0), (0, 1))]
    assert counted(both) is None
    assert counted([*both, (key(5000), change(NO, 5000))]) == 20


def test_a_person_whose_keys_share_no_event_counts_once_while_keys_rotate():
    """The second no changed the newer key alone, which had just come up."""
    apart = [(key(n, kid), change(NO, 100 * kid + n)) for n in range(19) for kid in (0, 1)]
    assert counted(apart) is None
    assert counted([*apart, (key(99, 1), change(NO, 999))]) == 20


def test_contacts_and_other_months_are_left_out():
    contacts = [(b"\x01c\0" + bytes((n,)) * 16, change(NO, n)) for n in range(30)]
    assert counted(contacts) is None
    before = [(key(n), change(NO, n)._replace(received=OCTOBER.begin - 1)) for n in range(30)]
    after = [(key(n), change(NO, n)._replace(received=OCTOBER.end)) for n in range(30)]
    assert counted([*before, *after]) is None
    edges = [(key(n), change(NO, n)._replace(received=OCTOBER.end - 1 if n % 2 else OCTOBER.begin)) for n in range(30)]
    assert counted(edges) == 30


def test_what_denies_no_more_than_before_is_no_no():
    again = [(key(n), change(NO, n)._replace(before=GONE, after=GONE)) for n in range(30)]
    relabelled = [(key(n), change(NO, n)._replace(before=BLANK, after=BLANK)) for n in range(30)]
    assert counted([*again, *relabelled]) is None
    assert counted([*again, *relabelled], BACK) is None
    more = [(key(n), change(NO, n)._replace(before=BLOCKED, after=GONE)) for n in range(30)]
    assert counted(more) == 30
    less = [(key(n), change(NO, n)._replace(before=GONE, after=BLOCKED)) for n in range(30)]
    assert counted(less, BACK) == 30


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-1", "2026-10-01", "26-10", "", "2026-10 ", "october"])
def test_what_is_no_month(text):
    with pytest.raises(ValueError, match=r".+"):
        month(text)


def test_months_follow_each_other_without_gap_or_overlap():
    names = [f"{year}-{number:02d}" for year in (2026, 2027, 2028) for number in range(1, 13)]
    months = [month(name) for name in names]
    assert [each.end for each in months[:-1]] == [each.begin for each in months[1:]]


def test_counts_as_told():
    assert [told(count) for count in (0, 1, 19, 20, 24, 25, 1_000_004)] == [None, None, None, 20, 20, 25, 1_000_000]
    assert total([None, None]) is None
    assert total([20, None, 35]) == 55
