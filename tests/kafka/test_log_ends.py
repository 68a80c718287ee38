"""The ends that freshness rests on: a leader that does not answer has told none."""

import signal
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from consent_stream.dev.kafka import LocalKafka
from consent_stream.logends import LogEnds
from tests.faults.deployment import await_that

pytestmark = pytest.mark.kafka


def test_a_silent_leader_has_told_no_end(kafka: str, tmp_path: Path) -> None:
    """Trap: librdkafka's `list_offsets` then succeeds with -1001, which every position is beyond."""
    with LocalKafka(data=tmp_path / "kafka", heap="256m") as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic("t", 1, 1)])["t"].result(30)
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for _ in range(3):
            producer.produce("t", b"x", partition=0)
        assert producer.flush(30) == 0
        ends = LogEnds(lambda: AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}))
        assert ends.get([("t", 0)]) == {("t", 0): 3}
        jvm = broker._jvm
        assert jvm is not None
        jvm.send_signal(signal.SIGSTOP)
        try:
            await_that("all of its threads stand still", lambda: stat_of(jvm.pid) == "T", 10)
            ends.ask([("t", 0)])
            with pytest.raises(KafkaException):
                await_that("it is answered", lambda: ends.answer() is not None, 30)
            with pytest.raises(KafkaException):
                ends.get([("t", 0)])
        finally:
            jvm.send_signal(signal.SIGCONT)
        assert ends.get([("t", 0)]) == {("t", 0): 3}


def stat_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_topic_that_is_gone_has_no_end(kafka: str) -> None:
    ends = LogEnds(lambda: AdminClient({"bootstrap.servers": kafka, "log_level": 0}))
    assert ends.answer() is None, "nothing was asked"
    assert ends.get([]) == {}
    with pytest.raises(KafkaException):
        ends.get([("no-such-topic-here", 0)])
