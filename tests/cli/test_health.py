"""What a worker answers to its supervisor: /livez, /readyz, /metrics."""

import asyncio
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from consent_stream.health import STUCK_S, Health, answer, serve


class App:
    """As much of a SliceApp as probes look at."""

    def __init__(self):
        self.rebalancing, self.consumer_generation_id, self.should_stop = False, 1, False
        self.ready, self.tasks = [], []

    def on_ready(self, hook):
        self.ready.append(hook)

    def task(self, body):
        self.tasks.append(body)

    def restored(self):
        for hook in self.ready:
            hook(frozenset())


@pytest.fixture
def watched():
    now = [100.0]
    health, app = Health(lambda: now[0]), App()
    health.watch(app)
    return SimpleNamespace(health=health, app=app, now=now)


def test_a_worker_that_waits_for_kafka_is_live_and_not_ready():
    assert answer(Health(), "/livez") == ("200 OK", "live")
    assert answer(Health(), "/readyz")[0].startswith("503")


def test_ready_from_the_restore_to_the_next_assignment(watched):
    assert watched.health.waits_for() is not None
    watched.app.restored()
    assert answer(watched.health, "/readyz") == ("200 OK", "ready")
    watched.app.rebalancing = True
    assert "moved" in watched.health.waits_for()
    watched.app.rebalancing, watched.app.consumer_generation_id = False, 2
    assert "moved" in watched.health.waits_for()
    watched.app.restored()
    assert watched.health.waits_for() is None


def test_live_while_the_loop_turns(watched):
    async def turn_once():
        task = asyncio.ensure_future(watched.app.tasks[0]())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(turn_once())
    watched.now[0] += STUCK_S - 1
    assert watched.health.stuck_for() is None
    watched.now[0] += 2
    assert answer(watched.health, "/livez") == ("503 Service Unavailable", "loop stuck for 31 s")


def test_probes_and_metrics_on_one_port(watched):
    port = serve("127.0.0.1", 0, watched.health)

    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    assert get("/livez") == (200, "live\n")
    assert get("/readyz") == (503, "starting: Kafka, topics, or the first restore\n")
    watched.app.restored()
    assert get("/readyz") == (200, "ready\n")
    assert "consent_worker_ready 1.0" in get("/metrics")[1]
    watched.app.rebalancing = True
    assert "consent_worker_ready 0.0" in get("/metrics")[1]


def test_a_port_in_use_is_an_error(watched):
    port = serve("127.0.0.1", 0, watched.health)
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", port, watched.health)
