"""Gates and an edge with events on its disk: stale until they are in Kafka, or the edge is forgotten."""

import json
import subprocess
import sys
from contextlib import closing

import pytest

from consent_stream import Gate
from consent_stream.edge import lease
from consent_stream.edge.edge import now
from consent_stream.edge.lease import Lease
from consent_stream.edge.spool import Spool
from consent_stream.inspection.edges import live_edges
from consent_stream.topics import TopicAdmin
from consent_stream.wire.topics import AUDIT
from tests.edge.process import ANA, EdgeProcess, token
from tests.faults.deployment import KEYS, await_that

pytestmark = pytest.mark.kafka
NOWHERE = "127.0.0.1:1"
LIMIT = 2.0


@pytest.fixture(scope="module")
def gate(deployment, worker):
    link = {"bootstrap": deployment.settings.bootstrap, "topic_prefix": deployment.prefix, "keys": KEYS}
    with Gate(**link, staleness_limit=LIMIT) as found:
        assert found.wait_ready(60)
        yield found


@pytest.fixture
def front(deployment, request):
    process = EdgeProcess(deployment, request.node.name, "--without-gates", "--drain", "0")
    yield process
    process.close()


def waited_for(deployment, ident):
    return ident in {each.id for each in live_edges(deployment.settings)}


def command(deployment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "consent_stream", "edge", *arguments],
        env=deployment.environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def listed(deployment):
    return [json.loads(line) for line in command(deployment, "list", "--json").stdout.splitlines()]


def stale(gate):
    return gate.check(tenant="acme", email="nobody@example.com", scope="news").reasons[0] == "stale"


def test_events_on_the_disk_of_an_edge_make_the_lists_old_until_they_are_enforced(deployment, gate, front):
    front.start()
    await_that("it is listed", lambda: listed(deployment), 20)
    front.kill()
    await_that("the lists are stale: nobody knows what it had", lambda: stale(gate), 30)
    front.start("--bootstrap", NOWHERE)
    assert front.ask("POST", f"/u/{token(program='offers')}").status == 200
    front.kill()
    front.start()
    await_that("fresh again", lambda: gate.status().ready, 30)
    # What was answered before the lists were fresh is in them.
    assert gate.check(tenant="acme", email=ANA, scope="offers").reasons[0] == "unsubscribed"
    assert front.stop() == 0
    assert listed(deployment) == []


def test_one_that_ended_with_events_on_its_disk_is_waited_for_until_it_is_forgotten(deployment, gate, front):
    front.start()
    await_that("it is listed", lambda: listed(deployment), 20)
    front.kill()
    front.start("--bootstrap", NOWHERE)
    assert front.ask("POST", f"/u/{token()}").status == 200
    assert front.stop() == 0
    (found,) = listed(deployment)
    await_that("stale", lambda: stale(gate), 30)
    assert command(deployment, "forget", "nobody", "--reason", "x").returncode == 2
    done = command(deployment, "forget", found["id"], "--reason", "its disk is gone", "--by", "ann")
    assert done.returncode == 0, done.stderr
    await_that("fresh", lambda: gate.status().ready, 30)
    assert listed(deployment) == []
    (told,) = [json.loads(each.value) for each in deployment.read(AUDIT)]
    assert (told["action"], told["id"], told["by"], told["reason"]) == (
        "edge.forgotten", found["id"], "ann", "its disk is gone"
    )  # fmt: skip


def test_an_edge_may_be_told_not_to_hold_lists_up(deployment, gate, tmp_path, front):
    (tmp_path / "edge.toml").write_text("[edge]\nfreshness = false\n")
    front.start("--config", str(tmp_path / "edge.toml"))
    assert front.ask("POST", f"/u/{token()}").status == 200
    assert listed(deployment) == []
    front.kill()
    assert gate.wait_ready(20)


def test_one_that_ends_before_its_second_word_is_waited_for_by_nobody(deployment, gate, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_S", 60.0)  # as one that finds a flaw in its configuration right after the first
    with closing(Spool(tmp_path)) as spool:
        begun = Lease(deployment.settings, spool, now)
        await_that("its word is there", lambda: waited_for(deployment, begun.id), 20)
        begun.close()
    assert not waited_for(deployment, begun.id)


def test_the_topic_is_one_of_ours(deployment):
    assert f"{deployment.prefix}consent.edges" in TopicAdmin(deployment.settings).read().live
