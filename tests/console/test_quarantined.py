"""Counts and coordinates, and not a byte of what was sent."""

from consent_stream.console import quarantined
from consent_stream.console.quarantined import KEPT, OTHERS, Quarantined
from tests.console.made import ANA, NOW, S, headers


def test_codes_are_counted_and_records_named_by_where_they_lie():
    found = Quarantined()
    found.add((2, 17), NOW, headers("too_large"), b"x" * 300)
    found.add((0, 3), NOW + S, headers("not_cloudevent", "intake", ("consent.events", 0, 9)), None)
    found.add((0, 4), NOW + 2 * S, headers("too_large"), b"")
    assert found.by_code() == [("too_large", "intake", 2), ("not_cloudevent", "intake", 1)]
    assert [row.place for row in found.rows()] == ["0:4", "0:3", "2:17"]
    assert found.rows("not_cloudevent")[0] == ("0:3", NOW + S, "not_cloudevent", "intake", "consent.events:0:9", 0)
    assert found.rows("no_such_code") == []


def test_nothing_that_a_sender_wrote_is_kept():
    found = Quarantined()
    forged = [(f"consent-error-{name}", ANA.encode()) for name in ("code", "stage", "topic", "partition", "offset")]
    found.add((0, 1), NOW, [*forged, ("to", ANA.encode()), ("consent-error-message", ANA.encode())], ANA.encode())
    found.add((0, 2), NOW, [("consent-error-code", None), ("consent-error-stage", b"\xff\xfe")], None)
    assert ANA not in repr((found.counts, found.newest))
    assert found.by_code() == [("?", "?", 2)]


def test_it_does_not_grow(monkeypatch):
    monkeypatch.setattr(quarantined, "MOST_CODES", 5)
    found = Quarantined()
    for at in range(2 * KEPT):
        found.add((0, at), NOW + at, headers(f"code{at}"), b"")
    assert len(found.rows()) == KEPT
    assert len(found.counts) == 6
    assert found.by_code()[0] == (OTHERS, "", 2 * KEPT - 5)
