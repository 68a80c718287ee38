"""Commits are the end of the unbroken acknowledged prefix; positions never claim what is not proven."""

import random
from types import SimpleNamespace

from faust.types import TP

from consent_stream.engine.progress import Fetched, Position, Progress

A, B, C = TP("t", 0), TP("t", 1), TP("u", 0)


def message(tp: TP, next_offset: int, timestamp: int = 1) -> SimpleNamespace:
    return SimpleNamespace(tp=tp, next_offset=next_offset, acked=False, last_timestamp=timestamp)


def progress(starts: dict[TP, int], committed: dict[TP, int | None] | None = None) -> Progress:
    made = Progress()
    made.reset(starts, committed or dict(starts))
    return made


def test_any_order_of_acknowledgements_commits_the_unbroken_prefix() -> None:
    """Trap: `Consumer._new_offset` counts holes as acknowledged and forgets the one at its head."""
    for seed in range(500):
        dice = random.Random(seed)
        at = dice.randrange(100)
        kept = progress({A: at})
        sent = []
        for _ in range(dice.randrange(1, 20)):
            at += dice.randrange(1, 50)  # offsets inside a slice may have holes
            sent.append(message(A, at))
            kept.deliver(sent[-1])
        acked = dice.sample(sent, dice.randrange(len(sent) + 1))
        for each in acked:
            each.acked = True
        prefix = [each.next_offset for each in sent[: next((i for i, m in enumerate(sent) if not m.acked), len(sent))]]
        kept.advance()
        assert kept.committable([A]) == ({A: prefix[-1]} if prefix else {})


def test_only_owned_partitions_are_committed_and_only_once() -> None:
    kept = progress({A: 0, B: 0})
    for tp in (A, B):
        kept.deliver(message(tp, 5))
        kept._parts[tp].in_flight[0].acked = True
    kept.advance()
    assert kept.committable([A]) == {A: 5}
    kept.committed({A: 5})
    assert kept.committable([A]) == {}


def test_a_rewind_is_committed_before_any_slice() -> None:
    """A killed process must not find the old commit again: the state it stood for is gone."""
    kept = progress({A: 0}, {A: 700})
    assert kept.committable([A]) == {A: 0}


def test_slices_of_an_old_generation_give_their_room_back() -> None:
    """Trap: the stream drops them without an acknowledgement; back-pressure that waits for one hangs for ever."""
    kept = progress({A: 0})
    kept.deliver(message(A, 1))
    kept.deliver(message(A, 2))
    assert kept.room([A], per_partition=2, per_topic=6) == {}
    kept.reset({A: 0}, {A: 0})
    assert kept.room([A], per_partition=2, per_topic=6)["t"].partitions == [A]


def test_a_full_topic_leaves_room_to_the_others() -> None:
    """Trap: the conductor blocks in the first full queue, and a backlog in one stage starves the next."""
    kept = progress({A: 0, B: 0, C: 0})
    for tp in (A, B):
        kept.deliver(message(tp, 1))
    rooms = kept.room([A, B, C], per_partition=1, per_topic=2)
    assert {topic: room.partitions for topic, room in rooms.items()} == {"u": [C]}
    kept.deliver(message(A, 2))
    assert kept.room([B, C], per_partition=2, per_topic=3).keys() == {"u"}


def test_a_position_is_proven_only() -> None:
    kept = progress({A: 3})
    assert kept.positions()[A] == Position(3, None, None)
    sent = message(A, 8, timestamp=77)
    kept.deliver(sent)
    kept.fetched(A, Fetched(position=8, highwater=8, asked_ms=500))
    assert kept.positions()[A] == Position(3, None, None), "a slice is in flight"
    sent.acked = True
    assert kept.positions()[A] == Position(8, 77, 500)


def test_idle_needs_a_response_that_showed_the_end() -> None:
    """Never "now": a stuck fetch must show as a position that grows old."""
    kept = progress({A: 8})
    kept.fetched(A, Fetched(position=8, highwater=None, asked_ms=None))
    assert kept.positions()[A].idle_since_ms is None
    kept.fetched(A, Fetched(position=8, highwater=9, asked_ms=500))
    assert kept.positions()[A].idle_since_ms is None, "a record waits"
    kept.fetched(A, Fetched(position=8, highwater=8, asked_ms=600))
    assert kept.positions()[A].idle_since_ms == 600


def test_transaction_markers_are_passed_when_nothing_waits() -> None:
    """A marker is no record: without this a position never reaches the end of a fenced topic."""
    kept = progress({A: 0})
    sent = message(A, 4)
    kept.deliver(sent)
    sent.acked = True
    kept.fetched(A, Fetched(position=5, highwater=5, asked_ms=9))
    assert kept.positions()[A] == Position(5, 1, 9)


def test_a_fetch_of_a_partition_that_left_is_ignored() -> None:
    kept = progress({A: 0})
    kept.fetched(B, Fetched(1, 1, 1))
    assert set(kept.positions()) == {A}
    kept.clear()
    assert kept.positions() == {}
