"""What a follower makes of what Kafka says: errors, gaps, silence. A consumer that plays a part stands in for Kafka."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream.inspection import following
from consent_stream.inspection.following import Following
from consent_stream.inspection.topicread import Unread
from consent_stream.settings import Settings
from consent_stream.wire.topics import CHANGES

EOF = KafkaError._PARTITION_EOF


class Message:
    """A record at a place and time, or an error there."""

    def __init__(self, partition, offset, at=0, error=None):
        self._said = partition, offset, at, error

    def partition(self):
        return self._said[0]

    def offset(self):
        return self._said[1]

    def timestamp(self):
        return 1, self._said[2]

    def error(self):
        return self._said[3]


class Kafka:
    """Plays a script: each poll is the next step, a message or something to do."""

    def __init__(self, spans, script):
        self.spans, self.script, self.assigned, self.closed, self.up = spans, list(script), [], False, True
        self.oldest = 0

    def __call__(self, conf):
        self.told = conf["error_cb"]
        return self

    def poll(self, seconds):
        if not self.script:
            raise Unread("the script is over")
        step = self.script.pop(0)
        if callable(step):
            step(self)
            return None
        return step

    def consume(self, most, seconds):
        return []

    def assign(self, places):
        self.assigned.append({each.partition: each.offset for each in places})

    def pause(self, places):
        raise AssertionError("nothing is that far ahead")

    resume = pause

    def list_topics(self, name, timeout):
        if not self.up:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def get_watermark_offsets(self, place, timeout):
        return self.oldest, 100

    def close(self):
        self.closed = True


@pytest.fixture
def follow(monkeypatch):
    """`follow(spans, *script, live=True, since=None)`: the (partition, offset) shown, and what was said."""

    def run(spans, *script, live=True, since=None, only=None):
        kafka, said, shown = Kafka(spans, script), [], []
        monkeypatch.setattr(following, "Consumer", kafka)
        monkeypatch.setattr(following, "partitions", lambda reader, name, since: spans)
        running = Following(Settings(), CHANGES, 0, since=since, live=live, say=said.append, only=only)
        failed = None
        try:
            for batch in running.batches():
                shown += [(each.partition(), each.offset()) for each in batch]
        except Unread as error:
            failed = str(error)
        assert kafka.closed
        return shown, said, failed, kafka

    return run


OVER = "the script is over"


def error(code, partition=0, offset=0):
    return Message(partition, offset, 0, KafkaError(code))


def test_from_now_on_it_begins_at_the_end_and_from_a_time_where_that_is(follow):
    spans = {0: (3, 10), 1: (4, 4)}
    assert follow(spans)[3].assigned == [{0: 10, 1: 4}]
    assert follow(spans, since=1)[3].assigned == [{0: 3, 1: 4}]
    assert follow(spans, live=False)[3].assigned == [{0: 3}]
    assert follow(spans, live=False, only=lambda count: {1})[0] == []


def test_without_following_it_ends_where_the_end_was(follow):
    shown, said, failed, _ = follow({0: (0, 2)}, Message(0, 0), Message(0, 1), Message(0, 2), live=False)
    assert (shown, said, failed) == ([(0, 0), (0, 1)], [], None)


def test_the_end_is_seen_where_the_last_offsets_are_no_records(follow):
    """Markers of transactions have offsets too."""
    shown, _, failed, _ = follow({0: (0, 5)}, Message(0, 0), error(EOF, 0, 5), live=False)
    assert (shown, failed) == ([(0, 0)], None)


def away(kafka):
    kafka.up = False
    kafka.told(KafkaError(KafkaError._ALL_BROKERS_DOWN))


def back(kafka):
    kafka.up = True


def test_kafka_goes_away_and_comes_back_with_one_line_each(follow):
    quiet = [lambda kafka: None] * 3
    steps = (Message(0, 0), away, Message(0, 1), away, *quiet, back, *quiet, away, back, Message(0, 2))
    shown, said, failed, _ = follow({0: (0, 0)}, *steps)
    assert shown == [(0, 0), (0, 1), (0, 2)]
    assert said == ["Kafka is away; waiting for it", "Kafka is back"] * 2
    assert failed == OVER


def test_one_broker_that_hiccups_is_not_worth_a_word(follow):
    def hiccup(kafka):
        kafka.told(KafkaError(KafkaError._TRANSPORT))
        kafka.told(KafkaError(KafkaError._ALL_BROKERS_DOWN))  # yet it answers

    assert follow({0: (0, 0)}, hiccup, Message(0, 0))[1] == []


def test_what_was_deleted_meanwhile_is_said_and_the_rest_is_shown(follow):
    def deleted(kafka):
        kafka.oldest = 40

    shown, said, _, kafka = follow({0: (7, 7)}, deleted, error(KafkaError._AUTO_OFFSET_RESET), Message(0, 40))
    assert said == ["consent.changes 0:7 is not there (any more); goes on at 40"]
    assert kafka.assigned == [{0: 7}, {0: 40}]
    assert shown == [(0, 40)]


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_a_topic_that_is_gone_or_forbidden_ends_it(follow, code):
    failed = follow({0: (0, 0)}, Message(0, 0, 0, KafkaError(code, retriable=False)), Message(0, 0))[2]
    assert failed.startswith("topic consent.changes: ")


def test_an_error_that_passes_by_itself_does_not_end_it(follow):
    passing = Message(0, 0, 0, KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION, retriable=True))
    assert follow({0: (0, 0)}, passing, Message(0, 0))[0] == [(0, 0)]


def test_a_wrong_password_ends_it(follow):
    refused = follow({0: (0, 0)}, lambda kafka: kafka.told(KafkaError(KafkaError._AUTHENTICATION, "wrong\npassword")))[
        2
    ]
    assert refused == "topic consent.changes: wrong password"


def test_a_partition_that_is_silent_does_not_hide_the_others_for_ever(follow, monkeypatch):
    monkeypatch.setattr(following, "STALLED", -1.0)
    shown, said, _, _ = follow({0: (0, 3), 1: (0, 1)}, Message(1, 0, 5), Message(1, 1, 6), since=1)
    assert shown == [(1, 0), (1, 1)]
    assert said == ["topic consent.changes: no record for -1 s; not at their end: partitions 0"]
    failed = follow({0: (0, 3), 1: (0, 1)}, Message(1, 0, 5), live=False)[2]
    assert "partitions 0" in failed
