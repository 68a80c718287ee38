"""Kafka goes away under a console, and comes back; another generation is activated."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import Producer

from consent_stream.console import views
from consent_stream.console.follower import Follower
from consent_stream.console.model import Model
from consent_stream.dev.kafka import LocalKafka
from consent_stream.topics import TopicAdmin
from consent_stream.wire.control import Active, encode_active
from consent_stream.wire.edges import EdgeBeat, encode_edge
from consent_stream.wire.topics import CONTROL, EDGES, TOPICS, Topic
from tests.console.made import POLICY
from tests.faults.deployment import Deployment, await_that, deployed

pytestmark = [pytest.mark.kafka, pytest.mark.long]
SOON = 90.0


def now() -> int:
    return time.time_ns() // 1000


def write(deployment: Deployment, topic: Topic, record: tuple[bytes, bytes]) -> None:
    producer = Producer(deployment.settings.producer())
    producer.produce(topic.full(deployment.prefix), record[1], record[0], 0)
    assert producer.flush(30) == 0


def test_figures_grow_old_and_are_of_now_again(kafka, tmp_path):
    broker, model = LocalKafka(data=tmp_path / "kafka"), Model()
    with broker, deployed(broker.bootstrap, tmp_path, "away-", POLICY) as deployment:
        follower = Follower(deployment.settings, model, now)
        follower.start()
        try:
            await_that("it is read", lambda: model.caught_up and model.current(now()), SOON)
            assert not model.edges
            broker.kill()
            await_that("figures are old", lambda: not model.current(now()), SOON)
            assert model.caught_up  # what was read is shown all the same
            told = views.standing(model, now())
            assert told["trouble"] is not None
            assert told["age"] > 10
            broker.start()
            write(deployment, EDGES, encode_edge(EdgeBeat("edge-1", now(), now(), (0,))))
            await_that("figures are of now", lambda: model.current(now()) and model.trouble is None, SOON)
            await_that("and what is new is read", lambda: "edge-1" in model.edges, SOON)
        finally:
            follower.close()
        assert not follower._thread.is_alive()


def test_another_generation_is_followed_when_it_is_activated(kafka, tmp_path, prefix):
    model = Model()
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        follower = Follower(deployment.settings, model, now)
        follower.start()
        try:
            await_that("it is read", lambda: model.caught_up and model.heard is not None, SOON)
            assert model.generation == 0
            rebuilt = {topic: 1 for topic in TOPICS if topic.rebuilt}
            TopicAdmin(deployment.settings, 1).create(rebuilt, 1)
            write(deployment, CONTROL, encode_active(Active(1, "ops", "tried", now())))
            await_that("the other is read", lambda: model.generation == 1 and model.caught_up, SOON)
            assert model.control.active == 1
            assert views.flow(model, now())["generation"] == 1
        finally:
            follower.close()
