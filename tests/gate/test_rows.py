"""Which record of a key stands. Greater versions win in any order; what cannot be read never allows."""

from itertools import permutations

import pytest

from consent_stream.gate.rows import MARK, read_row, settle
from tests.gate.made import entry, grant, restriction

OPEN = entry(grant(), version=5)
CLOSED = entry(grant(), restriction(), version=6)
JUNK = OPEN[:-4]
FOREIGN = b"{}"


def after(*values):
    """(row that stands, alarms) after these records of one key."""
    row, alarms = None, []
    for value in values:
        changed, alarm = settle(row, value)
        row = row if changed is None else changed
        alarms += [alarm] if alarm else []
    return row, alarms


@pytest.mark.parametrize(
    "versions",
    [
        [entry(version=1), entry(version=2), entry(version=3)],
        [entry(version=9), entry(version=1, generation=1), entry(version=2, generation=1)],
    ],
)
def test_the_greater_generation_and_version_stands_in_any_order(versions):
    for order in permutations(versions):
        assert after(*order) == (versions[-1], [])


def test_a_repeated_record_changes_nothing():
    assert settle(OPEN, OPEN) == (None, "")


@pytest.mark.parametrize(
    ("value", "alarm"),
    [
        (None, "null_value"),
        (FOREIGN, "unreadable_value"),
        (b"", "unreadable_value"),
    ],
)
def test_a_record_that_cannot_be_read_marks_the_row_it_cannot_replace(value, alarm):
    row, alarms = after(CLOSED, value)
    assert alarms == [alarm]
    assert not read_row(row).sound
    assert [r.kind for r in read_row(row).registers.restrictions.values()] == ["unsubscribed"]


@pytest.mark.parametrize("value", [None, FOREIGN])
def test_a_record_that_cannot_be_read_marks_a_key_that_had_no_row(value):
    row, _ = after(value)
    assert row == MARK
    assert not read_row(row).sound
    assert read_row(row).registers.restrictions == {}


def test_a_second_one_marks_no_deeper():
    assert after(CLOSED, None, None, FOREIGN) == (MARK + CLOSED, ["null_value", "null_value", "unreadable_value"])


def test_a_torn_record_behind_a_good_one_is_seen():
    assert after(OPEN, JUNK) == (MARK + OPEN, ["unreadable_value"])


def test_a_torn_record_before_a_good_one_gives_way():
    assert after(JUNK, OPEN) == (OPEN, [])
    assert not read_row(JUNK).sound


def test_the_mark_goes_with_a_record_at_least_as_new():
    assert after(CLOSED, None, CLOSED)[0] == CLOSED
    assert after(CLOSED, None, entry(version=7))[0] == entry(version=7)
    assert after(None, OPEN)[0] == OPEN


def test_the_mark_stays_when_an_older_record_comes():
    assert after(CLOSED, None, OPEN)[0] == MARK + CLOSED


def test_a_kind_that_only_a_newer_version_knows_is_not_relied_on():
    row = entry(restriction(kind="unsubscribed")).replace(b"unsubscribed", b"unsubscribeX")
    assert not read_row(row).sound


def test_every_cut_of_a_record_is_unreadable_and_raises_nothing():
    assert not any(read_row(CLOSED[:end]).sound for end in range(len(CLOSED)))
