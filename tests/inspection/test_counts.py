"""How many stand how, and how many changed: against plain counting."""

from collections import Counter
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.standing import BLANK
from consent_stream.inspection.changecount import MOST, OTHERS, ChangeCount
from consent_stream.inspection.rowcount import UNREADABLE, RowCount, total
from consent_stream.wire.change import decode_change, encode_change
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import encode_entry
from tests.wire.samples import AT, FULL, GRANTED, KEY, ORDINARY, PARTIAL, SUPPRESSED, UNSUBSCRIBE

HOUR = 3_600_000_000
STANDINGS = [(ORDINARY, PARTIAL), (FULL, SUPPRESSED), (GRANTED, BLANK)]


def entry(which, version, generation=0):
    reg, standing = STANDINGS[which]
    return encode_entry(reg, "email", standing, UNSUBSCRIBE, version, generation)


def counted(*records):
    with closing(RowCount()) as counting:
        counting.add(records)
        return counting.tallies()


def test_each_key_counts_once_by_its_newest_record():
    other = KEY[:-1] + b"x"
    found = counted(
        (KEY, entry(0, 5)), (other, entry(1, 6)), (KEY, entry(2, 7)), (other, entry(0, 6, 1)), (KEY, entry(1, 6))
    )
    assert found["acme"].fields() == {
        "keys": 2,
        "status": {"CLEAR": 1, "PARTIAL": 1},
        "reasons": {},
        "purposes": {"marketing": {"restricted": 1, "granted": 1}},
    }


def test_reasons_and_purposes_of_what_stands():
    tally = counted((KEY, entry(1, 5)), (HEARTBEAT_KEY, b"beat"))["acme"]
    assert tally.reasons == {"minor": 1, "erased": 1, "undeliverable": 1}
    assert tally.restricted == {"marketing": 1, "all": 1}
    assert tally.keys == total([tally]).keys == 1


def test_what_cannot_be_read_marks_a_key_until_something_as_new_can():
    readable, broken = (KEY, entry(0, 5)), (KEY, b"rubbish")
    assert counted(broken)[""].status == {UNREADABLE: 1}
    assert counted(readable, broken)["acme"].status == {UNREADABLE: 1}
    assert counted(readable, (KEY, None), (KEY, entry(0, 4)))["acme"].status == {UNREADABLE: 1}
    assert counted(readable, broken, readable)["acme"].status == {"PARTIAL": 1}
    assert counted(broken, (KEY, entry(1, 1)))["acme"].status == {"SUPPRESSED": 1}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9))))
def test_as_a_dictionary_would_count(records):
    """Equal versions are equal bytes, so a version decides what it says."""
    newest = {key: max(version for each, version in records if each == key) for key, _ in records}
    tallies = counted(*((KEY[:-1] + bytes([key]), entry(version % 3, version)) for key, version in records)).values()
    assert total(tallies).status == Counter(STANDINGS[version % 3][1].status for version in newest.values())


def change(received, before=BLANK, after=SUPPRESSED, tenant="acme", kind="unsubscribe.oneclick"):
    fact = UNSUBSCRIBE._replace(received=received, tenant=tenant, type=kind)
    return decode_change(encode_change("email", before, after, fact, 1))


def test_changes_by_hour_reason_and_type():
    count = ChangeCount()
    for each in (change(AT), change(AT + HOUR - 1), change(AT + HOUR, SUPPRESSED, BLANK, kind="consent.granted")):
        count.add(each)
    told = count.fields()
    assert told["hours"] == [
        {"hour": AT, "tighter": 2, "looser": 0, "other": 0},
        {"hour": AT + HOUR, "tighter": 0, "looser": 1, "other": 0},
    ]
    assert told["reasons"]["minor"] == {"gained": 2, "lost": 1}
    assert told["types"] == {"unsubscribe.oneclick": 2, "consent.granted": 1}
    assert (told["changes"], told["tighter"], told["tenants"]) == (3, 2, {"acme": 3})


def test_only_what_was_asked_for():
    count = ChangeCount(AT, AT + 1, "acme", "email")
    for each in (change(AT - 1), change(AT), change(AT + 1), change(AT, tenant="globex")):
        count.add(each)
    assert count.changes == 1
    sms = ChangeCount(channel="sms")
    sms.add(change(AT))
    assert sms.changes == 0


def test_names_that_senders_choose_do_not_fill_the_memory():
    count, one = ChangeCount(), change(AT)
    for n in range(MOST + 50):
        count.add(one._replace(type=f"t{n}"))
    assert len(count.types) == MOST + 1
    assert count.types[OTHERS] == 50
