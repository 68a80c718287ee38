"""What the reader makes of records, without Kafka: messages by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream.console.follower import Anew, Follower, _Left
from consent_stream.console.model import Model
from consent_stream.domain.facts import Fact
from consent_stream.domain.standing import BLANK
from consent_stream.settings import Settings
from consent_stream.wire.change import encode_change
from consent_stream.wire.control import Active, encode_active
from consent_stream.wire.edges import EdgeBeat, encode_edge
from consent_stream.wire.gate_report import encode_report
from consent_stream.wire.marks import DROPPED, Mark, encode_mark
from consent_stream.wire.vector import Progress, encode_progress
from tests.console.made import ANA, NOW, S, ends, headers, report, suppressed, vector

GENERATION = 3


@dataclass
class Message:
    """What of a message of Kafka is looked at."""

    t: str
    v: bytes | None = b""
    k: bytes | None = None
    o: int = 0
    p: int = 0
    h: tuple = field(default=())
    e: KafkaError | None = None

    def topic(self):
        return self.t

    def value(self):
        return self.v

    def key(self):
        return self.k

    def offset(self):
        return self.o

    def partition(self):
        return self.p

    def headers(self):
        return self.h

    def timestamp(self):
        return 1, NOW // 1000

    def error(self):
        return self.e


class Reader:
    """A consumer that has these messages."""

    def __init__(self, *messages):
        self.messages = list(messages)

    def consume(self, number, timeout):
        return self.messages


@pytest.fixture
def model():
    found = Model()
    found.begin(GENERATION)
    return found


@pytest.fixture
def take(model):
    follower = Follower(Settings(topic_prefix="x-"), model, lambda: NOW)

    def taken(*messages):
        follower._take(Reader(*messages), GENERATION, _Left({}), 0)

    return taken


def test_a_report_of_a_stage(take, model):
    model.flow.sample(NOW, ends(500))
    take(Message("x-consent.progress.g3", encode_progress(Progress("intake", 0, -1, vector(400, NOW - 2 * S), (1, 1)))))
    assert model.flow.stages("consent.events", NOW)[0] == ("intake", 200, 2.0)


def test_a_report_of_a_gate(take, model):
    _, value = encode_report(report(generation=GENERATION))
    take(Message("x-consent.gates", value), Message("x-consent.gates", None))  # null: compaction's own
    (gate,) = model.gatesheet.gates(NOW, GENERATION)
    assert gate.state == "fresh"


def test_an_edge_comes_and_is_forgotten(take, model):
    key, value = encode_edge(EdgeBeat("edge-1", NOW, NOW, (1,)))
    take(Message("x-consent.edges", value, key))
    assert list(model.edges) == ["edge-1"]
    take(Message("x-consent.edges", None, key))
    assert model.edges == {}
    take(Message("x-consent.edges", value, key))
    take(Message("x-consent.edges", encode_edge(EdgeBeat("edge-1", NOW, NOW, (1,), ended=True))[1], key))
    assert model.edges == {}


def test_which_generation_is_active(take, model):
    key, value = encode_active(Active(4, "ops", "", NOW))
    take(Message("x-consent.control", value, key))
    assert model.control.active == 4


def test_an_opt_out(take, model):
    cause = Fact(b"\x01a" + bytes(17), 1, "acme", "e", "/edge", "unsubscribe.oneclick", NOW, 0, 7, False, ())
    take(Message("x-consent.changes.g3", encode_change("email", BLANK, suppressed("unsubscribed"), cause, 1)))
    assert model.optouts.sheet("email", NOW).total == 1


def test_what_was_not_understood_and_what_was_done_with_it(take, model):
    take(Message("x-consent.quarantine", ANA.encode(), ANA.encode(), 17, 2, headers("too_large")))
    assert [each.place for each in model.quarantined.open_doubts()] == [(2, 17)]
    take(Message("x-consent.audit", encode_mark(Mark(DROPPED, NOW, "ops", "a test", ((2, 17),)))))
    assert model.quarantined.open_doubts() == []


@pytest.mark.parametrize("topic", ["consent.progress.g3", "consent.gates", "consent.edges", "consent.changes.g3"])
@pytest.mark.parametrize("value", [b"", b"\xc3\x01garbage", b"{}", bytes(3000)])
def test_what_nobody_can_read_is_counted_and_the_rest_goes_on(take, model, topic, value):
    good = Message("x-consent.gates", encode_report(report())[1])
    take(Message(f"x-{topic}", value, b"k"), good)
    assert sum(model.unreadable.values()) == 1
    assert len(model.gatesheet.gates(NOW, None)) == 1


@pytest.mark.parametrize("code", [KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET])
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(take, code):
    with pytest.raises(Anew):
        take(Message("x-consent.gates", e=KafkaError(code)))


def test_other_refusals_are_errors_and_an_end_is_none(take):
    take(Message("x-consent.gates", e=KafkaError(KafkaError._PARTITION_EOF)))
    with pytest.raises(KafkaException):
        take(Message("x-consent.gates", e=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))


def test_how_much_of_the_past_is_left():
    left = _Left({("a", 0): (10, 20), ("a", 1): (5, 5), ("b", 0): (0, 4)})
    assert (left.done, left.total, sorted(left.waiting)) == (0, 14, [("a", 0), ("b", 0)])
    left.note(Message("a", o=14))
    left.note(Message("c", o=1))  # none of these
    assert (left.done, bool(left.waiting)) == (5, True)
    left.note(Message("b", o=3))
    left.note(Message("a", o=17, e=KafkaError(KafkaError._PARTITION_EOF)))  # markers of a transaction are the last
    assert (left.done, left.total, left.waiting) == (14, 14, {})


def test_a_fault_of_ours_is_told_without_what_it_quotes(model, caplog, monkeypatch):
    follower = Follower(Settings(), model, lambda: NOW)

    def fails(stack):
        follower._stop.set()
        raise ValueError(ANA)

    monkeypatch.setattr(follower, "_follow", fails)
    follower.start()
    follower.close()
    assert model.trouble == "ValueError"
    assert "ValueError at test_follower.py" in caplog.text
    assert ANA not in caplog.text
