"""A month out of the topics of a worker at work: what it waits for, and what it does not tell."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream.analytics import monthly
from consent_stream.analytics.months import Month
from consent_stream.cli import main
from consent_stream.wire.topics import CHANGES
from tests.faults.deployment import Deployment, Worker, deployed
from tests.faults.population import POLICY
from tests.kafka.test_late_sends import withdrawn

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("report"), "report-", POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Worker:
    found = deployment.worker("w1").start().await_ready()
    deployment.produce([withdrawn(f"ana{number}") for number in range(23)])
    deployment.produce([withdrawn(f"ben{number}", 2) for number in range(19)])  # by contacts that have no address
    deployment.await_settled()
    return found


def until_now(name: str) -> Month:
    """A "month" that ends now."""
    now = time.time_ns() // 1000
    return Month(name, now - 3_600_000_000, now)


def keep(deployment: Deployment, month: Month, folder, seconds: float = 20) -> monthly.Table:
    return monthly.keep(folder, deployment.settings, month, month.end + 1, seconds, lambda *_: None)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monthly, "GRACE", 0)


def test_who_said_no_is_counted_by_address_once_all_is_worked_off(deployment, worker, tmp_path):
    table = keep(deployment, until_now("2026-11"), tmp_path)
    told = {each[1:4]: each.people for each in table.cells}
    assert told["t1", "email", "unsubscribed"] == 20
    assert {name: people for name, people in told.items() if people} == {
        ("t1", "email", "unsubscribed"): 20,
        ("t1", "email", "said no, in all"): 20,
    }
    assert {each.tenant for each in table.cells} >= {"t1", "t2"}


def test_a_month_before_there_was_anybody_is_a_table_too(deployment, worker, tmp_path):
    more = ["--bootstrap", deployment.settings.bootstrap, "--topic-prefix", deployment.prefix, "--kept", str(tmp_path)]
    ran = CliRunner().invoke(main, ["report", "--month", "2026-01", *more])
    assert ran.exit_code == 0, ran.stderr
    assert {line.rpartition(",")[2] for line in ran.stdout.splitlines()[1:]} == {"<20"}


def test_a_month_of_which_retention_took_a_part_is_refused(deployment, worker, tmp_path):
    (partition, *_) = (p for p, end in deployment.ends(CHANGES).items() if end > 2)
    at = TopicPartition(CHANGES.full(deployment.prefix), partition, 1)
    admin = AdminClient(deployment.settings.librdkafka())
    for future in admin.delete_records([at]).values():
        future.result(10)
    with pytest.raises(monthly.Untellable, match="no longer has all of 2026-11"):
        keep(deployment, until_now("2026-11"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_worker_nobody_knows_whether_all_is_in(deployment, worker, tmp_path):
    assert worker.stop() == 0
    with pytest.raises(monthly.Untellable, match="is a worker up"):
        keep(deployment, until_now("2026-11"), tmp_path, 0.5)
    assert not list(tmp_path.iterdir())
