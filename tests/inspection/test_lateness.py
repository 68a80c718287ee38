"""Which messages are looked at, and what is asked of the control topic; the rest is on a real Kafka."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream.inspection import lateness
from consent_stream.inspection.lateness import Window
from consent_stream.inspection.topicread import Unread
from consent_stream.settings import Settings
from consent_stream.wire.control import Active, Partitions, encode_active, encode_partitions, encode_policy, named
from consent_stream.wire.send import HELD_BACK, UNCLEAR
from tests.wire.samples import AT, SENDS

SEND = SENDS[0]._replace(started=AT, ended=AT + 50)


@pytest.mark.parametrize(
    ("window", "holds"),
    [
        (Window(), True),
        (Window(since=AT), True),
        (Window(since=AT + 1), False),
        (Window(until=AT), False),
        (Window(until=AT + 1), True),
        (Window(tenant="acme", channel="email"), True),
        (Window(tenant="umbrella"), False),
        (Window(channel="sms"), False),
    ],
)
def test_a_window_goes_by_the_hand_over(window, holds):
    assert window.holds(SEND) == holds


@pytest.mark.parametrize("outcome", [HELD_BACK, UNCLEAR])
def test_where_no_beginning_was_said_the_end_counts(outcome):
    send = SEND._replace(outcome=outcome, started=None)
    assert Window(since=AT + 50).holds(send)
    assert not Window(until=AT + 50).holds(send)


def told(monkeypatch, *records):
    monkeypatch.setattr(lateness, "read_control", lambda _: dict(records))
    return lateness.in_force(Settings())


def of(generation, tenants, counts):
    policy, partitions = encode_policy(tenants), encode_partitions(counts)
    return (named(policy[0], generation), policy[1]), (named(partitions[0], generation), partitions[1])


def test_the_policy_is_that_of_the_generation_that_gates_obey(monkeypatch):
    old = of(0, {"acme": {}}, Partitions(8, 8))
    new = of(2, {"acme": {"min_evidence": "E3"}}, Partitions(8, 16))
    generation, policy, counts = told(monkeypatch, *old, *new)
    assert (generation, policy.tenant("acme").min_evidence, counts.ledger) == (0, 2, 8)
    generation, policy, counts = told(monkeypatch, *old, *new, encode_active(Active(2, "eve", "rebuilt", 1)))
    assert (generation, policy.tenant("acme").min_evidence, counts.ledger) == (2, 3, 16)


def test_without_a_worker_that_ever_started_there_is_no_answer(monkeypatch):
    with pytest.raises(Unread, match="worker"):
        told(monkeypatch)
    (_, policy), partitions = of(0, {}, Partitions(8, 8))
    with pytest.raises(Unread, match="worker"):
        told(monkeypatch, (b"policy", policy[:-1]), partitions)


def test_a_kafka_that_is_away_is_one_line(monkeypatch):
    def away(_):
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    monkeypatch.setattr(lateness, "read_control", away)
    with pytest.raises(Unread, match=r"consent\.control"):
        lateness.in_force(Settings())
