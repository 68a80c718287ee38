"""What holds for every door: the real one on Kafka, on its disk, the one in memory, and one that leaves spans."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from consent_stream.edge.door import KafkaDoor, Unavailable
from consent_stream.edge.edge import now
from consent_stream.edge.events import event
from consent_stream.edge.metrics import Metrics
from consent_stream.edge.spool import Spool
from consent_stream.edge.traced import TracedDoor
from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS
from tests.edge.doors import MemoryDoor
from tests.faults.deployment import Deployment
from tests.tracing.kept import Kept


def some(count, first=0):
    keys = [["01" * 19]]
    return [
        event("unsubscribe.link", "/edge/x", "acme", at=now(), ident=f"e{n}", keys=keys) for n in range(first, count)
    ]


class Memory:
    """spooling or not, in memory."""

    def __init__(self, spooling):
        self.door = self.memory = MemoryDoor()
        self.memory.spooling = spooling

    def taken(self):
        return self.memory.taken

    def fail(self):
        self.memory.away = True

    def close(self):
        pass


class Real:
    """With Kafka, or with the disk alone."""

    def __init__(self, deployment, folder, kafka):
        self.deployment, self.kafka = deployment, kafka
        self.spool = Spool(folder / "spool")
        link = deployment.settings if kafka else Settings(bootstrap="127.0.0.1:1")
        self.door = KafkaDoor(link, self.spool, now, Metrics())

    def taken(self):
        if self.kafka:
            return [json.loads(each.value) for each in self.deployment.read(EVENTS)]
        first = self.spool.first()
        return [] if first is None else [json.loads(each.record) for each in first[1]]

    def fail(self):
        self.spool._most = 0
        self.door._away = True
        self.door._sending.reach = lambda: False

    def close(self):
        self.door.close()
        self.spool.close()


@pytest.fixture(
    params=["memory", "memory spool", "memory traced", pytest.param("kafka", marks=pytest.mark.kafka), "disk"]
)
def made(request, tmp_path, prefix):
    if request.param.startswith("memory"):
        found = Memory("spool" in request.param)
        if "traced" in request.param:
            found.door = TracedDoor(found.memory, Kept(1))
    elif request.param == "disk":
        found = Real(Deployment("127.0.0.1:1", tmp_path, prefix, ""), tmp_path, kafka=False)
    else:
        deployment = Deployment(request.getfixturevalue("kafka"), tmp_path, prefix, "")
        deployment.make_topics()
        found = Real(deployment, tmp_path, kafka=True)
    found.spools = request.param in ("memory spool", "disk")
    yield found
    found.close()


def test_each_event_gets_a_receipt_and_is_there(made):
    wanted = some(3)
    receipts = asyncio.run(made.door.accept(wanted))
    if made.spools:
        assert receipts == ("spooled",) * 3
    else:
        assert all(part.isdigit() for each in receipts for part in each.split(":"))
        assert len(set(receipts)) == 3
    assert sorted(made.taken(), key=lambda each: each["id"]) == wanted
    assert made.door.open


def test_many_at_once(made):
    async def all_of_them():
        return await asyncio.gather(*(made.door.accept([each]) for each in some(200)))

    assert len(asyncio.run(all_of_them())) == 200
    assert {each["id"] for each in made.taken()} == {f"e{n}" for n in range(200)}


def test_none_are_taken_at_once(made):
    assert asyncio.run(made.door.accept([])) == ()


def test_what_cannot_be_taken_is_not_promised(made):
    made.fail()
    with pytest.raises(Unavailable) as error:
        asyncio.run(made.door.accept(some(2)))
    assert error.value.retry_after > 0
    assert made.taken() == []
    assert not made.door.open


def test_an_event_that_nobody_would_read_is_refused(made):
    huge = event("unsubscribe.link", "/edge/x", "acme", at=now(), words="x" * 300_000)
    with pytest.raises(ValueError, match="at most"):
        asyncio.run(made.door.accept([*some(1), huge]))
    assert made.taken() == []


def test_it_waits_for_kafka_once_and_then_for_nobody(tmp_path):
    """The first to find Kafka away waits for it; those after it do not."""
    spool = Spool(tmp_path)
    door = KafkaDoor(Settings(bootstrap="127.0.0.1:1"), spool, now, Metrics())

    async def timed():
        found = []
        for each in some(4):
            began = time.monotonic()
            await door.accept([each])
            found.append(time.monotonic() - began)
        return found

    with ThreadPoolExecutor(1) as pool:
        took = pool.submit(lambda: asyncio.run(timed())).result(30)
    assert took[0] > 1
    assert all(each < took[0] / 2 for each in took[1:])
    door.close()
    spool.close()
