"""A record whose header name is not UTF-8 is read like any other: nothing is skipped, doubled or held up."""

import asyncio
import importlib
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher as module
from aiokafka.errors import CorruptRecordException
from aiokafka.record import default_records
from aiokafka.structs import TopicPartition

from consent_stream.engine import headernames
from consent_stream.engine.unpacking import BoundedRecords
from tests.engine.rawbatch import BAD, batch

TP = TopicPartition("t", 0)
POISON = [(BAD, b"v"), (b"fine", None)]
GOOD = [(b"fine", b"v")]
COMMITTED, UNCOMMITTED = module.READ_COMMITTED, module.READ_UNCOMMITTED


def records(raw: bytes, at: int = 0, isolation: int = UNCOMMITTED, aborted: Any = None) -> Any:
    kept = BoundedRecords(raw)
    return headernames.TolerantRecords(TP, kept, aborted, at, None, None, True, isolation)


def offsets(found: Any) -> list[int]:
    return [record.offset for record in found]


@pytest.mark.parametrize("codec", range(5), ids=["none", "gzip", "snappy", "lz4", "zstd"])
def test_all_three_arrive_whatever_the_codec(codec: int) -> None:
    found = list(records(batch(7, [GOOD, POISON, GOOD], codec=codec), at=7))
    assert [(r.offset, r.timestamp, r.key, r.value) for r in found] == [
        (7 + i, 1_000 + i, b"k%d" % (7 + i), b"v%d" % (7 + i)) for i in range(3)
    ]
    assert found[0].headers == found[2].headers == (("fine", b"v"),)
    assert found[1].headers == (("\ufffd\ufffdname", b"v"), ("fine", None))


def test_aiokafka_itself_stops_there() -> None:
    """The reason for all this: without it the test above fails so. When this one fails, the module may go."""
    plain = module.PartitionRecords(
        TP, module.MemoryRecords(batch(0, [GOOD, POISON])), None, 0, None, None, True, UNCOMMITTED
    )
    assert next(plain).offset == 0
    with pytest.raises((UnicodeDecodeError, CorruptRecordException)):
        next(plain)


@pytest.mark.parametrize("at", range(12))
def test_from_every_offset_each_record_once(at: int) -> None:
    """Several batches, some poisoned, one twice, with holes between them and at an end: positions are exact."""
    batches = {
        1: batch(0, [GOOD, GOOD]),
        4: batch(2, [POISON, GOOD, POISON], codec=3),
        8: batch(6, [GOOD], last=8),
        11: batch(9, [GOOD, POISON], last=11),
    }
    every = [0, 1, 2, 3, 4, 6, 9, 10]
    # As a broker does: the first batch of a response is the one that holds the offset asked for.
    raw = b"".join(held for last, held in batches.items() if last >= at)
    found, positions = records(raw, at), []
    got = [(record.offset, positions.append(found.next_fetch_offset)) for record in found]
    assert [offset for offset, _ in got] == [offset for offset in every if offset >= at]
    assert positions == [offset + 1 for offset, _ in got]
    assert found.next_fetch_offset == 12


def test_what_was_aborted_stays_out() -> None:
    """Aborted transactions around a poisoned batch, whose own producer was aborted before and after."""
    raw = (
        batch(0, [POISON, GOOD], producer=5)
        + batch(2, [b"\x00\x00\x00\x00"], producer=5, control=True)
        + batch(3, [GOOD, POISON, GOOD], producer=5)
        + batch(6, [b"\x00\x00\x00\x01"], producer=5, control=True)
        + batch(7, [GOOD, POISON], producer=5)
        + batch(9, [b"\x00\x00\x00\x00"], producer=5, control=True)
        + batch(10, [POISON])
    )
    found = records(raw, isolation=COMMITTED, aborted=[(5, 7), (5, 0)])
    assert offsets(found) == [3, 4, 5, 10]
    assert found.next_fetch_offset == 11


def test_damage_is_still_damage() -> None:
    raw = bytearray(batch(0, [GOOD, POISON]))
    raw[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="CRC"):
        list(records(bytes(raw)))


def test_an_error_that_is_not_a_header_s_is_raised_and_ends() -> None:
    def refuse(_: Any) -> Any:
        return b"\xff".decode()

    kept = BoundedRecords(batch(0, [GOOD]))
    with pytest.raises(UnicodeDecodeError):
        list(headernames.TolerantRecords(TP, kept, None, 0, refuse, None, True, UNCOMMITTED))


def test_the_reader_in_python_is_told_apart_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform without aiokafka's compiled reader: there the error comes wrapped."""
    with monkeypatch.context() as patch:
        memory = importlib.import_module("aiokafka.record.memory_records")
        patch.setattr(memory, "DefaultRecordBatch", default_records._DefaultRecordBatchPy)
        kept = SimpleNamespace(raw=batch(0, [GOOD, POISON, GOOD]))
        found = headernames.TolerantRecords(TP, kept, None, 0, None, None, True, UNCOMMITTED)
        found._records = memory._MemoryRecordsPy(kept.raw)
        assert offsets(found) == [0, 1, 2]


class Assignment:
    active = True

    def __init__(self) -> None:
        self.state = SimpleNamespace(has_valid_position=True, position=0, paused=False, highwater=None)
        self.state.consumed_to = lambda offset: setattr(self.state, "position", offset)

    def state_value(self, _: Any) -> Any:
        return self.state


def test_the_fetcher_s_own_method_hands_them_out_slice_by_slice() -> None:
    """Through aiokafka's Fetcher: response in, records out; the position moves with every slice."""
    raw = batch(0, [GOOD, GOOD, GOOD, POISON, GOOD])

    async def send(*_: Any) -> Any:
        return SimpleNamespace(API_VERSION=4, topics=[("t", [(0, 0, 5, 5, None, raw)])])

    async def go() -> list[tuple[list[int], int]]:
        fetcher: Any = object.__new__(module.Fetcher)
        fetcher.__dict__.update(_client=SimpleNamespace(send=send), _records={}, _client_rack=None)
        fetcher.__dict__.update(_key_deserializer=None, _value_deserializer=None, _check_crcs=True)
        fetcher.__dict__.update(_isolation_level=COMMITTED, _prefetch_backoff=0.1, _wait_consume_future=None)
        fetcher._subscriptions = SimpleNamespace(reassignment_in_progress=False)
        assignment = Assignment()
        headernames.tolerate(fetcher)
        assert await fetcher._proc_fetch_request(assignment, 1, SimpleNamespace(topics=[("t", [(0, 0, 1)])]))
        assert assignment.state.highwater == 5
        assert abs(assignment.state.timestamp - time.time() * 1000) < 60_000
        slices = []
        while TP in fetcher._records:
            found = await fetcher.fetched_records({TP}, timeout=0, max_records=2)
            slices.append((offsets(found.get(TP, [])), assignment.state.position))
        return slices

    assert asyncio.run(go()) == [([0, 1], 2), ([2, 3], 4), ([4], 5)]


def test_aiokafka_still_looks_its_readers_up_by_these_names() -> None:
    used, taking = module.Fetcher._proc_fetch_request.__code__, module.Fetcher.fetched_records.__code__
    assert {"MemoryRecords", "PartitionRecords", "FetchResult"} <= set(used.co_names)
    assert "FetchResult" in taking.co_names
    assert used.co_freevars == taking.co_freevars == ()
    assert module.Fetcher._proc_fetch_request.__globals__["MemoryRecords"] is not BoundedRecords
