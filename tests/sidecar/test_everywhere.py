"""The barrier over HTTP: every gate there is, not only those of the sidecar."""

import pytest

from consent_stream.inspection.barrier import Reports, events_lag
from consent_stream.inspection.gatereports import NoSuchEvent
from consent_stream.inspection.topicread import Unread
from tests.inspection.test_barrier import NOON, report
from tests.sidecar.served import serving


def everywhere(place, settled):
    """Two gates on other hosts; the second is slower, and has not settled what it has applied."""
    if place[1] > 100:
        raise NoSuchEvent("no such event")
    reports = Reports(events_lag(dict([place]), settled=settled, generation=0))
    reports.hear([report("g1"), report("g2", applied=7, settled=3)])
    return reports.barrier(NOON)


@pytest.mark.parametrize(("target", "reached"), [("1:2", 2), ("1:5", 1), ("1:5?contact=true", 2), ("1:50", 0)])
def test_it_counts_the_gates_and_names_those_that_lag(target, reached):
    with serving({"email": None}, everywhere=everywhere) as (client, _):
        said = client.get(f"/v1/barrier/{target}").said
    assert (said["reached"], said["of"], said["passed"]) == (reached, 2, reached == 2)
    assert said["receipt"] == target.partition("?")[0]
    assert [each["lag"] is None for each in said["gates"]].count(True) == reached


@pytest.mark.parametrize("target", ["1:101", "x", "1:2?wait=1", "1:2?contact=perhaps"])
def test_what_is_no_event_is_a_problem(target):
    with serving({"email": None}, everywhere=everywhere) as (client, _):
        assert client.get(f"/v1/barrier/{target}").status == 400


def test_without_kafka_nobody_can_say():
    def away(place, settled):
        raise Unread("no Kafka answers")

    for ask in (None, away):
        with serving({"email": None}, everywhere=ask) as (client, _):
            answer = client.get("/v1/barrier/1:2")
            assert answer.status == 503
            assert answer.said["type"].endswith(":no-kafka")
