"""Until when the ledger is whole, from reports alone."""

from consent_stream.inspection.settled import Settled, _note, _sum_up
from consent_stream.wire.control import Partitions
from consent_stream.wire.vector import HOPS, Point, Progress, encode_progress

COUNTS = Partitions(2, 2)


def summed(*reports):
    heard = {}
    for each in reports:
        _note(encode_progress(each), heard)
    return _sum_up(heard, COUNTS)


def report(q, through, ends, *, hop=HOPS, events=(0, 1)):
    return Progress("state", hop, q, {p: Point(5, through + p) for p in events}, ends)


def test_the_least_of_all_partitions_counts_and_the_greatest_end():
    assert summed(report(0, 100, (7, 3)), report(1, 90, (6, 4))) == Settled(90, {0: 7, 1: 4})


def test_a_later_report_takes_it_further_and_an_older_one_not_back():
    reports = report(0, 100, (7, 3)), report(1, 90, (6, 4)), report(1, 120, (8, 8)), report(1, 80, (9, 9))
    assert summed(*reports).through == 100


def test_while_a_partition_has_not_spoken_nothing_is_known():
    assert summed() == summed(report(0, 100, (7, 3))) == Settled(0, {})
    assert summed(report(0, 100, (7, 3)), report(1, 90, (6, 4), events=(0,))) == Settled(0, {})


def test_reports_of_fewer_derivations_do_not_count():
    """A fact may be on its way from a contact to an address."""
    reports = [report(q, 100, (7, 3), hop=hop) for q in (0, 1) for hop in range(HOPS)]
    assert summed(*reports) == Settled(0, {})


def test_what_is_no_report_says_nothing():
    heard = {}
    _note(b"rubbish", heard)
    _note(None, heard)
    assert heard == {}
