"""Where reading starts, and what a local store is worth beside the changelog it finds."""

import time
from types import SimpleNamespace

import pytest

from consent_stream.engine.partition import Meta
from consent_stream.engine.restore import _STALE_S, Verdict, _prepare, judge
from consent_stream.engine.starts import SourceState, Start, choose_start


@pytest.mark.parametrize(
    ("committed", "applied", "want"),
    [
        (None, None, Start(10, None)),
        (30, None, Start(30, 30)),
        (30, 40, Start(40, 30)),
        (40, 30, Start(40, 40)),
        (None, 40, Start(40, None)),
        (100, None, Start(100, 100)),  # exactly at the end
        (4, None, Start(10, 4, lost=6)),  # retention was faster
        (101, None, Start(10, 101, rewound=True)),  # the log was replaced or cut
    ],
)
def test_the_greater_of_commit_and_store(committed: int | None, applied: int | None, want: Start) -> None:
    assert choose_start(committed, SourceState(applied), low=10, end=100) == want


def test_a_rewind_starts_at_the_low_watermark_whatever_was_committed() -> None:
    assert choose_start(50, SourceState(70, rewind=True), 10, 100) == Start(10, 50, rewound=True)
    assert choose_start(None, SourceState(rewind=True), 10, 100) == Start(10, None), "nothing was skipped"


META = Meta(cluster="c", topic="t", changelog=50, written_s=1_000_000)


def test_a_partition_that_stayed_is_not_rebuilt_for_its_age() -> None:
    identity = SimpleNamespace(
        topic_ids=lambda topics: dict.fromkeys(topics, "t"), cluster=lambda: "c", watermarks=lambda *_: (0, 50)
    )
    part = SimpleNamespace(meta=META, current=True)
    table = SimpleNamespace(parts={0: part}, sources=(), changelog="t", app=SimpleNamespace(identity=identity))
    assert META.written_s < time.time() - _STALE_S
    assert _prepare(table, [0]) == {}
    assert part.meta is META


@pytest.mark.parametrize(
    ("meta", "cluster", "topic", "low", "high", "later", "want"),
    [
        (None, "c", "t", 0, 0, 0, Verdict.NEW),
        (META, "c", "t", 0, 50, 0, Verdict.KEEP),
        (META, "c", "t", 50, 90, 0, Verdict.KEEP),
        (META, "other", "t", 0, 90, 0, Verdict.FOREIGN),
        (META, "c", "other", 0, 90, 0, Verdict.LOST),
        (META, "c", "t", 0, 49, 0, Verdict.LOST),
        (META, "c", "t", 51, 90, 0, Verdict.BEHIND),
        (META, "c", "t", 0, 90, _STALE_S + 1, Verdict.BEHIND),  # tombstones may be compacted away by now
        (META, "c", "t", 0, 90, -5, Verdict.KEEP),
        (META, "c", "t", 0, 90, -3600, Verdict.BEHIND),  # written by a clock that was ahead, or read by one behind
    ],
)
def test_verdicts(meta: Meta | None, cluster: str, topic: str, low: int, high: int, later: int, want: Verdict) -> None:
    assert judge(meta, cluster, topic, low, high, 1_000_000 + later) is want
