"""Everything of a key, and of its partitions alone; nothing that cannot be read goes by unseen."""

import aiokafka.partitioner
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.facts import CONTACT
from consent_stream.inspection.history import ENTRIES, FACTS, SENT, Damaged, Place
from consent_stream.inspection.placement import murmur2, partition_of
from consent_stream.wire.send import encode_send
from consent_stream.wire.topics import CHANGES, LEDGER, SENDS, STATE, SUPPRESSION
from tests.inspection.log import COUNT, Log
from tests.topology.made_up import KEYS, NOON, event, granted
from tests.wire.samples import SENDS as SAMPLES

ANA, BOB = (KEYS.subject("acme", "email", f"{name}@example.com") for name in ("ana", "bob"))
CARD = KEYS.subject("acme", "contact", "c-42")
SEND = SAMPLES[0]
LATER = NOON + 60_000_000


@given(st.binary(max_size=64))
def test_keys_lie_where_kafka_puts_them(key):
    assert murmur2(key) == aiokafka.partitioner.murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize(("key", "java"), [(b"21", -973932308), (b"foobar", -790332482), (b"abc", 479470107)])
def test_the_hash_is_that_of_kafkas_own_test(key, java):
    """Source: `UtilsTest.testMurmur2` of Kafka."""
    assert murmur2(key) == java & 0xFFFFFFFF


@pytest.fixture
def log():
    """Ana consents, with her contact; Bob too; Ana's contact opts out of everything, which reaches her mailbox."""
    found = Log()
    found.add(granted(email="ana@example.com", contact="c-42"), NOON)
    found.add(granted("g2", email="bob@example.com"), NOON)
    found.add(event("unsubscribe.global", "no", contact="c-42"), LATER)
    return found


def test_it_is_all_there_is_of_a_key_and_nothing_of_others(log, monkeypatch):
    found = log.history(monkeypatch, ANA)
    assert [(each.fact.id, each.fact.derived) for each in found.facts] == [("g1", False), ("no", True)]
    assert {each.fact.key for each in found.facts} == {ANA} == found.rows.keys()
    assert found.rows[ANA].links == {CARD: CONTACT}
    assert found.entries.keys() == {("email", ANA)}
    assert [(key, change.id) for _, key, change in found.changes] == [(ANA, "no")]
    assert found.through == log.through
    assert not found.damaged


def test_a_derived_fact_can_be_traced_for_the_linked_keys_facts_are_beside(log, monkeypatch):
    found = log.history(monkeypatch, ANA)
    assert [(each.fact.key, each.fact.id, each.fact.derived) for each in found.linked] == [
        (CARD, "g1", False),
        (CARD, "no", False),
    ]


def test_only_the_partitions_of_the_keys_are_read(log, monkeypatch):
    log.history(monkeypatch, BOB)
    assert {p for _, p in log.looked_at} == {partition_of(BOB, COUNT)}


def test_a_fact_is_told_with_its_own_place_and_with_that_of_its_event(log, monkeypatch):
    placed = log.history(monkeypatch, ANA).facts[1]
    records = log.topics[LEDGER.full()][partition_of(ANA, COUNT)]
    assert records[placed.place.offset].key() == ANA
    assert placed.place.written == LATER
    assert (placed.fact.partition, placed.fact.offset) == (0, 1)  # the third event of two partitions


def test_of_the_records_of_a_list_the_greater_version_stands(log, monkeypatch):
    p = partition_of(ANA, COUNT)
    topic = SUPPRESSION["email"]
    first, last = [each for each in log.topics[topic.full()][p] if each.key() == ANA]
    log.write(topic, ANA, first.value(), LATER)  # a zombie's
    place, entry = log.history(monkeypatch, ANA).entries["email", ANA]
    assert (place.offset, entry.cause_id) == (last.offset(), "no")


def test_a_row_that_was_taken_away_is_none(log, monkeypatch):
    log.write(STATE, ANA, None, LATER)
    assert ANA not in log.history(monkeypatch, ANA).rows


def test_sends_are_found_by_the_address_and_by_the_contact_they_name(log, monkeypatch):
    theirs = SEND._replace(keys=(ANA, CARD), message_id="m-1")
    for send in (theirs, SEND._replace(keys=(ANA,), message_id="m-2"), SEND._replace(keys=(BOB,))):
        log.send(send)
    assert [send.message_id for _, send in log.history(monkeypatch, ANA).sends] == ["m-1", "m-2"]
    assert [send.message_id for _, send in log.history(monkeypatch, CARD).sends] == ["m-1"]


@pytest.mark.parametrize("topic", [LEDGER, STATE, SUPPRESSION["sms"], CHANGES, SENDS])
def test_a_record_that_cannot_be_read_is_named(topic, log, monkeypatch):
    offset = log.write(topic, ANA, b"\xc3\x01 nonsense", LATER)
    log.write(topic, BOB, b"\xc3\x01 nonsense", LATER)
    (damaged,) = log.history(monkeypatch, ANA).damaged
    assert damaged == Damaged(topic.full(), Place(partition_of(ANA, COUNT), offset, LATER), damaged.why)
    assert damaged.why


def test_a_send_of_a_later_version_is_named_too(log, monkeypatch):
    log.write(SENDS, ANA, encode_send(SEND._replace(keys=(ANA,)))[:-1], LATER)
    assert len(log.history(monkeypatch, ANA).damaged) == 1


def test_only_what_is_asked_for_is_read(log, monkeypatch):
    found = log.history(monkeypatch, ANA, parts=(ENTRIES,))
    assert found.entries
    assert {topic for topic, _ in log.looked_at} <= {topic.full() for topic in SUPPRESSION.values()}


def test_it_says_how_much_was_read(log, monkeypatch):
    found = log.history(monkeypatch, ANA, parts=(FACTS, SENT))
    partitions = {partition_of(key, COUNT) for key in (ANA, CARD)}  # a linked key's too
    assert found.read[LEDGER.full()] == sum(len(log.topics[LEDGER.full()][p]) for p in partitions)
