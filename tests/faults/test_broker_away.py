"""The broker goes away under load and comes back: in order, and as after a power cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_stream.dev.kafka import LocalKafka
from tests.faults.comparison import check_everything
from tests.faults.deployment import await_that, deployed
from tests.faults.population import POLICY, events

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_a_broker_that_restarts_under_load_costs_nothing(kafka: str, tmp_path: Path, prefix: str) -> None:
    broker = LocalKafka(data=tmp_path / "kafka")
    with broker, deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        worker = deployment.worker("w1").start().await_ready()
        deployment.await_settled()
        with deployment.feeding(events(6_000, 400, people=800, seed=5), seconds=12) as feeder:
            for end in (broker.stop, broker.kill):
                await_that("events arrive", lambda: bool(deployment.fed), 30)
                end()
                broker.start()
                deployment.fed.clear()
            feeder.join(60)
        # It waits for the broker: no restart, and its heartbeats are back long before metadata expire (5 min).
        deployment.await_settled(60)
        assert worker.running
        assert worker.stop() == 0
        assert check_everything(deployment) > 1_000
