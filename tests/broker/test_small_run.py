"""The product on the embedded broker, where neither transactions nor compaction are: a small run, and a kill in it."""

from __future__ import annotations

from pathlib import Path

import orjson

from consent_stream.topics import TopicAdmin
from consent_stream.wire.topics import QUARANTINE
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment
from tests.faults.population import POLICY, events


def test_events_end_in_lists_also_when_the_worker_is_killed(embedded: str, tmp_path: Path, prefix: str) -> None:
    deployment = Deployment(embedded, tmp_path, prefix, POLICY)
    worker = deployment.worker("w1")
    try:
        TopicAdmin(deployment.settings).read()  # asking for them makes them
        deployment.produce(each for each in events(800, 100, people=300) if len(each) < 100_000)
        worker.start().await_ready()
        worker.kill()
        deployment.produce([orjson.dumps({"no": "event"}), None])
        worker.start().await_ready()
        deployment.await_settled()
        assert worker.stop() == 0
        assert check_everything(deployment, fenced=False) > 200
        assert len(deployment.read(QUARANTINE)) >= 2
    finally:
        deployment.close()
