"""A permission is taken away while a worker runs: it ends with 70 and one line, and goes on once it is given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_stream.acls import AclAdmin, Found
from consent_stream.settings import Settings
from consent_stream.wire.acls import Rule
from consent_stream.wire.topics import LEDGER
from tests.faults.comparison import check_everything
from tests.faults.deployment import Worker, await_that, deployed
from tests.faults.population import POLICY, events
from tests.security.secured import Secured

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.long]


def refusals(worker: Worker) -> list[str]:
    return [line for line in worker.log.splitlines() if line.startswith("FAIL-STOP: ")]


def test_a_ledger_that_may_not_be_written_costs_nothing(broker: Secured, tmp_path: Path, prefix: str) -> None:
    broker.grant(prefix)
    with deployed(broker.bootstrap, tmp_path, prefix, POLICY) as deployment:
        files = {"policy": deployment.settings.policy, "keys": deployment.settings.keys, "topic_prefix": prefix}
        worker = Worker(broker.environment("worker", data_dir=tmp_path / "data", **files), tmp_path, "w1")
        try:
            given = list(events(300, 30, people=100, seed=31))
            worker.start().await_ready(60)
            deployment.produce(given[:150])
            deployment.await_settled(60)
            admin = AclAdmin(Settings(bootstrap=broker.bootstrap), "User:worker")
            write = Found(Rule("topic", LEDGER.full(prefix), "literal", "write"))
            assert write in admin.read()
            admin.remove([write])
            await_that("the permission is gone", lambda: write not in admin.read(), 20)
            deployment.produce(given[150:])
            assert worker.wait(60) == 70
            assert worker.start().wait(60) == 70  # and again, as under a supervisor, for as long as it is refused
            assert len(refusals(worker)) == 2
            assert all("AUTHORIZATION_FAILED" in line for line in refusals(worker)), refusals(worker)
            admin.allow([write.rule])
            await_that("the permission is back", lambda: write in admin.read(), 20)
            worker.start().await_ready(60)
            deployment.await_settled(60)
            assert worker.stop() == 0
        finally:
            worker.close()
        assert check_everything(deployment) > 50
