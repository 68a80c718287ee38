"""An edge whose Kafka is away: 200 from the disk, all of it in Kafka later, 503 when neither takes it."""

import json
import resource
import signal

import pytest

from consent_stream.wire.topics import EVENTS
from tests.edge.process import EdgeProcess, token
from tests.faults.deployment import await_that

pytestmark = pytest.mark.kafka
NOWHERE = "127.0.0.1:1"


def messages(deployment):
    return [json.loads(each.value)["data"]["message_id"] for each in deployment.read(EVENTS)]


def post(edge, number):
    return edge.ask("POST", f"/u/{token(message_id=f'm{number}')}", b"List-Unsubscribe=One-Click")


@pytest.fixture
def spooling(deployment, request):
    process = EdgeProcess(deployment, request.node.name, "--without-gates", "--drain", "0")
    yield process
    process.close()


def test_nothing_is_lost_by_a_kill_while_kafka_is_away(deployment, spooling):
    """Killed with a full spool, killed again while it is emptied, stopped in order in between."""
    spooling.start("--bootstrap", NOWHERE)
    assert [post(spooling, each).status for each in range(5)] == [200] * 5
    spooling.kill()
    spooling.start("--bootstrap", NOWHERE)
    assert spooling.figure("consent_edge_spool_oldest_seconds") > 0
    assert post(spooling, 5).status == 200
    assert spooling.stop() == 0
    for kill in (True, False):
        spooling.start()
        assert post(spooling, 6 + kill).status == 200
        if kill:
            spooling.kill()
    await_that("the spool is empty", lambda: spooling.figure("consent_edge_spool_oldest_seconds") == 0, 30)
    found = messages(deployment)
    assert set(found) == {f"m{each}" for each in range(8)}
    first = [found.index(f"m{each}") for each in range(6)]
    assert len(first) == 6
    assert spooling.stop() == 0


def test_a_full_disk_is_503_and_no_longer_when_there_is_room(deployment, spooling):
    spooling.start("--bootstrap", NOWHERE)
    assert post(spooling, 100).status == 200
    # No file may grow: what the kernel then says to a write is EFBIG, halfway through it.
    resource.prlimit(spooling.process.pid, resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
    answer = post(spooling, 101)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert spooling.ask("GET", "/readyz").status == 503
    resource.prlimit(spooling.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert post(spooling, 102).status == 200
    spooling.kill()
    spooling.start()
    await_that("the spool is empty", lambda: spooling.figure("consent_edge_spool_oldest_seconds") == 0, 30)
    found = messages(deployment)
    assert {"m100", "m102"} <= set(found)
    assert "m101" not in found  # nothing of it is left behind the cut


def test_two_edges_never_share_a_spool(deployment, spooling):
    spooling.start()
    other = EdgeProcess(deployment, spooling.name, "--without-gates")
    with pytest.raises(AssertionError, match="another edge has it"):
        other.start()
    assert other.wait() == 2
    other.close()


def test_it_ends_in_order_while_kafka_is_away(spooling):
    spooling.start("--bootstrap", NOWHERE)
    assert post(spooling, 200).status == 200
    spooling.signal(signal.SIGINT)
    assert spooling.wait() == 0
