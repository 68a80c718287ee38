"""The broker goes away under an edge at work, and comes back."""

import json

import pytest

from consent_stream.dev.kafka import LocalKafka
from consent_stream.wire.topics import EVENTS
from tests.edge.conftest import POLICY
from tests.edge.process import EdgeProcess, token
from tests.faults.deployment import await_that, deployed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_every_200_is_there_when_the_broker_is_back(kafka, tmp_path, prefix):
    """Before, while it is away (at first somebody waits for it, then nobody), and after: straight to Kafka again."""
    broker = LocalKafka(data=tmp_path / "kafka")
    with broker, deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        edge = EdgeProcess(deployment, "edge", "--without-gates", "--drain", "0")
        try:
            edge.start()
            told = [edge.ask("POST", f"/u/{token(message_id=f'm{each}')}").status for each in range(3)]
            broker.kill()
            told += [edge.ask("POST", f"/u/{token(message_id=f'm{each}')}").status for each in range(3, 9)]
            assert edge.figure('consent_edge_events_total{to="spool"}') == 6
            assert edge.ask("GET", "/readyz").status == 200
            broker.start()
            await_that("the spool is empty", lambda: edge.figure("consent_edge_spool_oldest_seconds") == 0, 60)
            before = edge.figure('consent_edge_events_total{to="kafka"}')
            await_that("it goes straight to Kafka", lambda: _straight(edge, before), 30)
            assert told == [200] * 9
            found = [json.loads(each.value)["data"]["message_id"] for each in deployment.read(EVENTS)]
            assert {f"m{each}" for each in range(9)} <= set(found)
            assert edge.stop() == 0
        finally:
            edge.close()


def _straight(edge, before):
    edge.ask("POST", f"/u/{token()}")
    return edge.figure('consent_edge_events_total{to="kafka"}') > before
