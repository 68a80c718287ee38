"""Sends and facts put together by key; figures by nearest rank."""

import math

import pytest

from consent_stream.inspection.evidence import Evidence
from consent_stream.inspection.late import case_of
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.send import encode_send
from tests.wire.samples import CONTACT_KEY, KEY, SENDS, UNSUBSCRIBE

SEND = SENDS[0]._replace(bases=())
OTHER = SEND._replace(keys=(b"\x01a" + b"x" * 17,))


@pytest.fixture
def evidence():
    found = Evidence()
    yield found
    found.close()


def add(evidence, *sends):
    evidence.add_sends((each, encode_send(each)) for each in sends)


def laid_out(evidence):
    return [(case, sorted(facts), list(sends)) for case, facts, sends in evidence.cases()]


def test_each_case_comes_once_with_all_its_messages_and_the_facts_of_all_its_keys(evidence):
    facts = [UNSUBSCRIBE, UNSUBSCRIBE._replace(key=CONTACT_KEY, channels=4), UNSUBSCRIBE._replace(id="u-2")]
    scoped = SEND._replace(scope="offers", message_id="m-3")
    add(evidence, SEND, OTHER)
    add(evidence, scoped, SEND._replace(message_id="m-2", sender="b", ended=1))
    evidence.add_facts((each.key, encode_fact(each)) for each in facts)
    found = {case: (about, sends) for case, about, sends in laid_out(evidence)}
    assert found.keys() == {case_of(SEND), case_of(OTHER), case_of(scoped)}
    about, sends = found[case_of(SEND)]
    assert about == sorted(facts)
    assert sorted(each.message_id for each in sends) == ["m-1", "m-2"]
    assert found[case_of(OTHER)] == ([], [OTHER])


def test_facts_of_nobody_who_was_mailed_are_not_kept(evidence):
    add(evidence, OTHER)
    evidence.add_facts([(KEY, b"x"), (None, b"x"), (b"", None)])
    assert evidence._db.execute("SELECT count(*) FROM facts").fetchone() == (0,)


def test_a_fact_that_cannot_be_read_is_counted(evidence):
    add(evidence, SEND)
    evidence.add_facts([(KEY, b"of a newer version"), (KEY, None), (KEY, encode_fact(UNSUBSCRIBE))])
    ((_, facts, _),) = laid_out(evidence)
    assert facts == [UNSUBSCRIBE]
    assert evidence.unreadable == 2


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 1000])
def test_quantiles_are_by_nearest_rank(evidence, count):
    for late in range(1, count + 1):
        evidence.add_late(late, "a", late, {})
    evidence.add_late(0, "a", None, {})
    evidence.add_late(0, "b", 7, {})
    for share in (0.5, 0.99, 1.0):
        assert evidence.quantile("a", share) == math.ceil(share * count)
    assert evidence.quantile("nobody", 0.5) is None


def test_findings_come_oldest_first(evidence):
    for at in (3, 1, 2):
        evidence.add_late(at, "a", 1, {"at": at})
    assert [line["at"] for line in evidence.lines()] == [1, 2, 3]
