"""Rows: every column, of every record of the golden files; what says more of a person is in none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from consent_stream.analytics.tables import NAMES, UNREADABLE, batch, fits, table_of, unreadable_row
from consent_stream.domain.standing import BLANK
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import encode_change
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.records import error_headers
from consent_stream.wire.send import encode_send
from tests.analytics.records import Record, rows
from tests.wire.samples import AT, CONTACT_KEY, EVERY_PART, GRANT, KEY, NO_PART, PARTIAL, SENDS, UNSUBSCRIBE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def change(at: tuple[int, int] = (3, 17)) -> Record:
    return Record(at, encode_change("email", BLANK, PARTIAL, UNSUBSCRIBE, 123_457), KEY)


def test_a_change_as_a_row():
    (row,) = rows("changes", [change()])
    assert row == {
        "partition": 3, "offset": 17, "appended": NOON, "key": KEY.hex(), "key_kind": "address", "tenant": "acme",
        "channel": "email", "version": 123_457, "received": NOON, "event_id": "u-1", "source": "/mail/oneclick",
        "type": "unsubscribe.oneclick", "event_partition": 7, "event_offset": 123_456, "derived": False,
        "before_status": "CLEAR", "before_reasons": [], "before_blocked_scopes": [], "before_label": "ConsentUnknown",
        "after_status": "PARTIAL", "after_reasons": [], "after_blocked_scopes": ["news"],
        "after_label": "ConsentUnknown",
    }  # fmt: skip


def test_sends_as_rows():
    sent, held_back, failed = rows("sends", [Record((0, i), encode_send(each)) for i, each in enumerate(SENDS)])
    assert sent["key"] == KEY.hex()
    assert sent["keys"] == [KEY.hex(), CONTACT_KEY.hex()]
    assert sent["handed_over_at"] == sent["started"] == NOON + timedelta(microseconds=5)
    assert sent["valid_until"] == NOON + timedelta(seconds=10)
    assert (held_back["handed_over_at"], held_back["started"], held_back["valid_until"]) == (None, None, None)
    assert held_back["reasons"] == ["stale", "erased"]
    assert (failed["key"], failed["keys"], failed["message_id"]) == (None, [], "m-2")


def test_a_fact_as_a_row_with_all_its_parts():
    (row,) = rows("ledger", [Record((0, 1), encode_fact(EVERY_PART), EVERY_PART.key)])
    parts = [each["part"] for each in row["parts"]]
    assert parts == [type(each).__name__.lower() for each in EVERY_PART.parts]
    grant = row["parts"][parts.index("grant")]
    assert (grant["level"], grant["notice_id"], grant["scope"], grant["lo"]) == (3, "n1", "news", NOON)
    assert grant["names"] == ["marketing:*:*"]
    assert row["parts"][0]["kind"] == "unsubscribed"
    assert row["parts"][-1]["linked_key"] == CONTACT_KEY.hex()
    assert row["stands_for"] == ["email"]
    assert rows("ledger", [Record((0, 2), encode_fact(NO_PART), CONTACT_KEY)])[0]["key_kind"] == "contact"


def test_a_birth_date_is_in_no_column():
    (row,) = rows("ledger", [Record((0, 1), encode_fact(EVERY_PART), EVERY_PART.key)])
    births = [each for each in row["parts"] if each["part"] == "birth"]
    assert len(births) == 2
    for each in births:
        assert {name for name, value in each.items() if value is not None} == {"part", "hi", "open"}


def test_of_a_quarantined_record_only_why_and_whence():
    headers = error_headers("unknown_type", "intake", ("consent.events", 4, 99), "ana@example.com says", (1,))
    record = Record((0, 5), b'{"email":"ana@example.com"}', b"ana@example.com", headers_=headers)
    (row,) = rows("quarantine", [record])
    assert row == {
        "partition": 0, "offset": 5, "appended": NOON, "code": "unknown_type", "stage": "intake",
        "source_topic": "consent.events", "source_partition": 4, "source_offset": 99, "bytes": 27,
    }  # fmt: skip
    assert "ana" not in repr(row)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"\xc3\x01" + bytes(20), b"\xc3\x01\xc5\x1f\x58\x08\x82\x52\xdf\x35"]
)
def test_what_cannot_be_read_is_a_row_of_the_table_beside(name, value):
    record = Record((2, 7), value, KEY)
    with pytest.raises(WireError) as refused:
        table_of(name).row(record)
    (row,) = batch(UNREADABLE, [unreadable_row(record, refused.value.code)]).to_pylist()
    assert (row["partition"], row["offset"], row["bytes"]) == (2, 7, len(value or b""))
    assert row["code"]


@pytest.mark.parametrize("name", ["changes", "ledger"])
def test_a_record_under_no_subject_key_is_unreadable(name):
    value = change().value_ if name == "changes" else encode_fact(UNSUBSCRIBE)
    for key in (None, b"", b"ana@example.com", KEY + b"x", b"\x01H" + bytes(17)):
        with pytest.raises(WireError):
            table_of(name).row(Record((0, 0), value, key))


def test_a_number_beyond_its_column_is_unreadable():
    fact = UNSUBSCRIBE._replace(parts=(GRANT._replace(level=128),))
    row = table_of("ledger").row(Record((0, 0), encode_fact(fact), KEY))
    with pytest.raises(WireError):
        fits(table_of("ledger").schema, row)
    row = table_of("changes").row(
        Record((0, 0), encode_change("email", BLANK, PARTIAL, UNSUBSCRIBE._replace(partition=1 << 31), 1), KEY)
    )
    with pytest.raises(WireError):
        fits(table_of("changes").schema, row)


@pytest.mark.parametrize("name", NAMES)
def test_every_column_says_what_it_means_and_instants_are_instants(name):
    table = table_of(name)
    for column in table.schema:
        assert column.metadata[b"doc"].decode().strip()
    instants = {column.name for column in table.schema if column.type == pa.timestamp("us", tz="UTC")}
    assert table.schema.names[table.dated] in instants
    assert "appended" in instants


def test_an_empty_batch_has_all_columns():
    for table in map(table_of, NAMES):
        assert batch(table.schema, []).num_rows == 0
    assert int(NOON.timestamp() * 1_000_000) == AT
