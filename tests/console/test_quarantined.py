"""Counts, coordinates, and what may be a withdrawal; not a byte of what was sent."""

from consent_stream.console import quarantined
from consent_stream.console.quarantined import KEPT, OTHERS, Quarantined
from consent_stream.inspection.quarantine import held
from consent_stream.wire.marks import DROPPED, REPLAYED, Mark, encode_mark
from tests.console.made import ANA, NOW, S, headers


def record(place, code="unknown_type", value=b"", at=NOW, source=("consent.events", 1, 42)):
    return held(place, at, None, value, headers(code, place=source))


def filled(*records):
    found = Quarantined()
    for each in records:
        found.add(each)
    return found


def test_codes_are_counted_and_records_named_by_where_they_lie():
    found = filled(
        record((2, 17), "bad_scope", b"x" * 300),
        record((0, 3), "not_cloudevent", at=NOW + S, source=("consent.events", 0, 9)),
        record((0, 4), "bad_scope", at=NOW + 2 * S),
    )
    assert found.by_code() == [("bad_scope", "intake", 2), ("not_cloudevent", "intake", 1)]
    assert [row.place for row, _ in found.rows()] == [(0, 4), (0, 3), (2, 17)]
    ((row, mark),) = found.rows("not_cloudevent")
    assert (row.at, row.origin, row.size, mark) == (NOW + S, "consent.events 0:9", 0, None)
    assert found.rows("no_such_code") == []


def test_what_may_be_a_withdrawal_stays_until_it_is_put_back_or_dropped():
    found = filled(
        record((0, 1), "not_cloudevent", b"unsubscribe " + ANA.encode()),
        record((0, 2), "too_large", b"", at=NOW - S),
        record((0, 3), "not_cloudevent", b"hello"),
    )
    assert [each.place for each in found.open_doubts()] == [(0, 2), (0, 1)]
    found.note(encode_mark(Mark(REPLAYED, NOW + S, "ops", "read by now", ((0, 2),))))
    assert [each.place for each in found.open_doubts()] == [(0, 1)]
    found.note(encode_mark(Mark(DROPPED, NOW - S, "ops", "of what was there before", ((0, 1),))))
    assert [each.place for each in found.open_doubts()] == [(0, 1)]
    found.note(b'{"action": "sending.stopped"}')
    marks = {row.place: mark and mark.action for row, mark in found.rows()}
    assert marks == {(0, 1): None, (0, 2): REPLAYED, (0, 3): None}


def test_nothing_that_a_sender_wrote_is_kept():
    forged = tuple(
        (f"consent-error-{name}", ANA.encode()) for name in ("code", "stage", "topic", "partition", "offset")
    )
    found = filled(
        held((0, 1), NOW, ANA.encode(), ANA.encode(), (*forged, ("consent-error-message", ANA.encode()))),
        held((0, 2), NOW, None, None, (("consent-error-code", None), ("consent-error-stage", b"\xff\xfe"))),
    )
    assert ANA not in repr((found.counts, found.newest, found.doubts))
    assert found.by_code() == [("?", "?", 2)]


def test_it_does_not_grow(monkeypatch):
    monkeypatch.setattr(quarantined, "MOST_CODES", 5)
    found = filled(*(record((0, at), f"code{at}", at=NOW + at) for at in range(2 * KEPT)))
    assert len(found.rows()) == KEPT
    assert len(found.counts) == 6
    assert found.by_code()[0] == (OTHERS, "", 2 * KEPT - 5)
