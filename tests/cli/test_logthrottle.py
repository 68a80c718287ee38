"""A library's line passes once in a while and says how many did not; our own lines always pass."""

import logging

import pytest

from consent_stream.engine.kafka import client_log
from consent_stream.logthrottle import LIBRDKAFKA, MOST_KINDS, Throttle


class Log:
    """What a handler with the filter shows, on a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.throttle = Throttle(30, lambda: self.now)

    def say(self, name, message, *values, level=logging.ERROR):
        record = logging.LogRecord(name, level, __file__, 1, message, values, None)
        return record.getMessage() if self.throttle.filter(record) else None


@pytest.fixture
def log():
    return Log()


def test_a_flood_is_one_line_in_thirty_seconds_with_the_number_of_the_others(log):
    said = []
    for second in range(61):
        log.now = 1000.0 + second
        said.append(log.say("aiokafka.client", "Unable connect to node with id %s: %s", 1, f"100% lost {second}"))
    assert [line for line in said if line] == [
        "Unable connect to node with id 1: 100% lost 0",
        "Unable connect to node with id 1: 100% lost 30 (29 more like this left out)",
        "Unable connect to node with id 1: 100% lost 60 (29 more like this left out)",
    ]


def test_a_line_that_comes_seldom_is_as_it_was(log):
    assert log.say("mode.supervisors", "restarts") == "restarts"
    log.now += 30
    assert log.say("mode.supervisors", "restarts") == "restarts"


def test_each_logger_template_and_level_is_a_kind_of_its_own(log):
    assert log.say("faust.app", "lost %s", 1)
    assert log.say("faust.app", "lost %s", 2) is None
    assert log.say("faust.app", "found %s", 1)
    assert log.say("faust.tables", "lost %s", 1)
    assert log.say("faust.app", "lost %s", 1, level=logging.WARNING)


def test_librdkafkas_lines_share_a_template_and_are_told_apart_by_what_they_are(log):
    assert client_log.name == LIBRDKAFKA
    assert log.say(client_log.name, "%s [%s] %s", "FAIL", "rdkafka#producer-1", "refused")
    assert log.say(client_log.name, "%s [%s] %s", "FAIL", "rdkafka#producer-2", "refused") is None
    assert log.say(client_log.name, "%s [%s] %s", "FENCED", "rdkafka#producer-1", "refused")


@pytest.mark.parametrize("name", ["consent_stream.engine.transport", "consent_stream.worker", "root", "faustian"])
def test_our_own_lines_always_pass(log, name):
    assert [log.say(name, "trying again") for _ in range(5)] == ["trying again"] * 5


def test_lines_that_are_all_different_pass_and_do_not_fill_the_memory(log):
    assert all(log.say("faust", f"line {each}") for each in range(3 * MOST_KINDS))
    assert len(log.throttle._kinds) <= MOST_KINDS
