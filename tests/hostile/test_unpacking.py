"""What unpacks to more than the bound is handed out as it was fetched, and what is around it is read."""

import subprocess
import sys
import time

import pytest
from aiokafka.consumer.fetcher import READ_UNCOMMITTED
from aiokafka.structs import TopicPartition

from consent_stream.engine.headernames import TolerantRecords
from consent_stream.engine.unpacking import LARGEST_UNPACKED, BoundedRecords, BoundedResult, Unread, unpacked
from tests.engine.rawbatch import BAD, batch

from .bombs import GZIP, LZ4, SNAPPY, ZSTD, bomb, closed, packed, sized

CODECS = pytest.mark.parametrize("codec", [GZIP, LZ4, ZSTD], ids=["gzip", "lz4", "zstd"])
GOOD = [(b"fine", b"v")]


def records(raw, at=0):
    return TolerantRecords(TopicPartition("t", 0), BoundedRecords(raw), None, at, None, None, True, READ_UNCOMMITTED)


@CODECS
def test_others_are_read_before_within_and_behind(codec):
    hostile = bomb(codec, 200, before=b"within", base=1)
    found = list(records(batch(0, [GOOD]) + hostile + batch(3, [GOOD], codec=codec)))
    assert [(each.offset, each.value) for each in found] == [(0, b"v0"), (1, b"within"), (2, hostile), (3, b"v3")]
    assert isinstance(found[2].value, Unread)
    assert found[2].value.why == "more than 48 MiB unpacked"


@CODECS
def test_up_to_the_bound_all_is_read(codec):
    (found,) = records(bomb(codec, (LARGEST_UNPACKED >> 20) - 1))
    assert type(found.value) is bytes
    assert found.value == bytes(47 << 20)


def test_one_that_was_read_in_part_is_not_read_twice():
    hostile = bomb(ZSTD, 200, before=b"within", base=1)
    assert [each.offset for each in records(hostile, at=2)] == [2]


@CODECS
@pytest.mark.parametrize("spoilt", [b"", b"\0" * 40, b"\xff" * 40], ids=["empty", "zeros", "ones"])
def test_what_is_no_packed_batch_is_handed_out_as_it_is(codec, spoilt):
    raw = closed(codec, packed(codec, b"abc", 0)[:8] + spoilt, 3)
    *_, last = records(raw)
    assert (last.offset, bytes(last.value), type(last.value)) == (2, raw, Unread)


@pytest.mark.parametrize(
    "body",
    [
        b"\x82SNAPPY\0\0\0\0\1\0\0\0\1" + b"\0\0\0\0" * 50,
        b"\x82SNAPPY\0\0\0\0\1\0\0\0\1" + b"\xff" * 50,
        b"\xff\xff\xff\xff\x0f" + b"x" * 20,
    ],
    ids=["empty blocks", "negative blocks", "4 GiB"],
)
def test_snappy_that_lies_about_its_length(body):
    raw = closed(SNAPPY, body, 1)
    (found,) = records(raw)
    assert isinstance(found.value, Unread)


def test_a_codec_that_kafka_has_not():
    (found,) = records(closed(5, b"x" * 20, 1))
    assert found.value.why == "not to be unpacked"


def test_a_header_name_that_is_not_utf_8_before_a_bomb():
    raw = batch(0, [[(BAD, b"v")]], codec=ZSTD) + bomb(ZSTD, 200, base=1)
    assert [(each.offset, type(each.value)) for each in records(raw)] == [(0, bytes), (1, Unread)]


class Everything:
    """A fetch result of one partition that is assigned and positioned."""

    def __new__(cls, raw):
        result = object.__new__(BoundedResult)
        result._topic_partition, result._partition_records = TopicPartition("t", 0), records(raw)
        result.check_assignment, result._update_position = lambda _: True, lambda: None
        return result


def test_a_response_full_of_bombs_is_taken_bit_by_bit():
    """At once it would hold the consumer's thread, which sends heartbeats, for many seconds."""
    raw = b"".join(bomb(ZSTD, 200, base=n) for n in range(20))
    result, offsets, longest = Everything(raw), [], 0.0
    while result.has_more():
        began = time.thread_time()
        offsets += [each.offset for each in result.getall(2000)]
        longest = max(longest, time.thread_time() - began)
    assert offsets == list(range(20))
    assert longest < 1.5  # 0.25 and one batch


def test_large_values_are_taken_one_by_one():
    result = Everything(b"".join(bomb(ZSTD, 40, base=n) for n in range(4)))
    assert [len(result.getall(2000)) for _ in range(4)] == [1, 1, 1, 1]


@pytest.mark.parametrize("codec", ["GZIP", "LZ4", "ZSTD"])
def test_memory_is_bounded(codec):
    """2 GiB of zeros in a process of its own; its peak is what it needs for the bound."""
    code = (
        f"import resource; from tests.hostile import bombs; from tests.hostile.test_unpacking import records;"
        f"raw = bombs.bomb(bombs.{codec}, 2048 if bombs.{codec} == 4 else 300); peak = lambda: "
        f"resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10; before = peak();"
        f"assert len(list(records(raw))) == 1; print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 8 * (LARGEST_UNPACKED >> 20)


def test_a_batch_without_compression_is_copied_as_it_is():
    raw = batch(0, [GOOD])
    assert unpacked(memoryview(raw)) == (raw, "")


@pytest.mark.parametrize("count", [10_001, 20_000_000])
def test_millions_of_empty_headers_are_not_made(count):
    """Two bytes each, and a hundred in memory."""
    head = b"\0\0" + sized(0) + sized(-1) + sized(-1) + sized(count)
    filled = -(-2 * count // (1 << 20)) + 3
    raw = closed(ZSTD, packed(ZSTD, sized(len(head) + 2 * count) + head, filled), 1)
    (found,) = records(raw)
    assert (found.headers, bytes(found.value)) == ((), raw)
    assert found.value.why == f"of a record of {count} headers"
