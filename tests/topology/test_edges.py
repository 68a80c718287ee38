"""What edges hold back, by literal numbers; and the law: never a claim beyond what every edge has given."""

from hypothesis import given
from hypothesis import strategies as st

from consent_stream.topology.edges import Edges
from consent_stream.wire.edges import EdgeBeat
from consent_stream.wire.vector import Point


def beat(through, *ends, ident="e1", since=0, ended=False):
    return EdgeBeat(ident, since, through, ends, ended)


def claimed(edges, offset, through, p=0):
    return edges.bound({p: Point(offset, through)})[p].through


def test_without_edges_nothing_is_held_back():
    assert Edges().bound({0: Point(5, 100), 3: Point(1, 90)}) == {0: Point(5, 100), 3: Point(1, 90)}


def test_a_beat_counts_once_its_events_are_applied():
    edges = Edges()
    edges.note(beat(50, 10, since=7))
    assert claimed(edges, 9, 60) == 7
    assert claimed(edges, 10, 60) == 50
    assert claimed(edges, 10, 40) == 40
    edges.note(beat(55, 10))
    assert claimed(edges, 10, 60) == 55


def test_what_lay_on_the_disk_holds_back_until_it_is_applied_not_until_it_is_sent():
    edges = Edges()
    edges.note(beat(10, 4))
    assert claimed(edges, 4, 50) == 10
    edges.note(beat(61, 9))  # it was sent: at offsets 4 to 8
    assert claimed(edges, 4, 50) == 10
    assert claimed(edges, 9, 62) == 61


def test_the_least_of_all_edges_and_each_partition_apart():
    edges = Edges()
    edges.note(beat(50, 0, 0))
    edges.note(beat(30, 0, 8, ident="e2"))
    assert edges.bound({0: Point(0, 90), 1: Point(7, 90)}) == {0: Point(0, 30), 1: Point(7, 0)}
    edges.forget("e2")
    edges.forget("never there")
    assert edges.bound({0: Point(0, 90)}) == {0: Point(0, 50)}


def test_one_that_ended_holds_nothing_back_once_its_events_are_applied_and_again_when_it_is_back():
    edges = Edges()
    edges.note(beat(50, 3))
    edges.note(beat(55, 9, ended=True))
    assert claimed(edges, 8, 90) == 50
    assert claimed(edges, 9, 90) == 90
    edges.note(beat(95, 9))
    assert claimed(edges, 9, 99) == 95


def test_a_topic_made_anew_counts_from_nought():
    edges = Edges()
    edges.note(beat(50, 900))
    edges.note(beat(60, 2))
    assert claimed(edges, 2, 90) == 60


@given(
    st.lists(st.tuples(st.integers(1, 20), st.booleans(), st.integers(0, 30)), max_size=60),
    st.integers(0, 10),
)
def test_no_claim_overtakes_an_event_of_the_disk(steps, lag):
    """A day of one edge: it takes events, keeps some, sends them later; a worker applies behind. At each claim A, each
    event taken before A is applied."""
    edges, now, log, disk, taken = Edges(), 100, [], [], []
    for later, spool, applied in steps:
        now += later
        taken.append(now)
        (disk if spool else log).append(now)
        if not spool and disk:
            log += disk
            disk = []
        through = min([now, *disk])
        edges.note(beat(through, len(log), since=100))
        offset = max(0, min(len(log), applied) - lag)
        # The log's own clock: an event lies there as of the instant it was sent, at least that it was taken.
        claim = claimed(edges, offset, now if offset == len(log) else min(log[offset:]))
        assert {each for each in taken if each < claim} <= set(log[:offset])
