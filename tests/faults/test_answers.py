"""What a mailer is told after a worker was killed in the middle of its work."""

from __future__ import annotations

import pytest

from tests.faults.answers import check_gate
from tests.faults.comparison import check_everything
from tests.faults.deployment import Deployment
from tests.faults.population import events

pytestmark = pytest.mark.kafka


def test_a_gate_answers_as_the_rules_do_after_kills(deployment: Deployment) -> None:
    worker = deployment.worker("w1")
    with deployment.feeding(events(1_500, 300, people=400, seed=7), seconds=5):
        worker.start().await_ready().kill()
        worker.start().await_ready()
    deployment.await_settled()
    assert worker.stop() == 0
    assert check_everything(deployment) > 300
    assert check_gate(deployment) > 900
