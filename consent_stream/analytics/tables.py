"""What a record of a topic is as a row of a table: columns with types and meanings, one row a record. Pure.

1. A row says where it came from (`partition`, `offset` of its topic), so that two exports can be compared row for row.
2. People are subject keys in hex. What of a record may say more of a person than that, such as the key and the value of
   a quarantined record or a birth date, is in no column.
3. A record that this version cannot read is a row too, of a table beside (`UNREADABLE`): its place and size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa
from confluent_kafka import Message

from consent_stream.analytics.parts import PART, part_row
from consent_stream.inspection.partwords import stands_for
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import Change, decode_change
from consent_stream.wire.keys import is_subject_key, kind_of
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.schemas import schema_json
from consent_stream.wire.send import Send, decode_send
from consent_stream.wire.topics import CHANGES, LEDGER, QUARANTINE, SENDS, Topic

INSTANT = pa.timestamp("us", tz="UTC")
TEXT, TEXTS, BIG, SMALL, FLAG = pa.string(), pa.list_(pa.string()), pa.int64(), pa.int32(), pa.bool_()
PARTS = pa.list_(PART)
Row = Sequence[Any]


class Table(NamedTuple):
    """A topic as a table. row: the columns of a record, in order. Errors of it: WireError.

    dated: the column whose UTC day a row is filed under.
    """

    topic: Topic
    schema: pa.Schema
    row: Callable[[Message], Row]
    dated: int

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return self.topic.name.partition(".")[2]


def batch(columns: pa.Schema, rows: Iterable[Row]) -> pa.RecordBatch:
    """Rows as columns of the types of the schema. Instants are given in microseconds."""
    turned = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pa.array(values, kind) for values, kind in zip(turned, columns.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def fits(columns: pa.Schema, row: Row) -> None:
    """Errors: WireError when a number is too large for its column: no writer of ours makes such."""
    for value, kind in zip(row, columns.types, strict=True):
        if (kind == SMALL and not -1 << 31 <= value < 1 << 31) or (kind == PARTS and any(_odd(part) for part in value)):
            raise WireError("bad_number", "a number beyond its column")


def _odd(part: Mapping[str, Any]) -> bool:
    return not -128 <= part.get("level", 0) < 128


def _schema(doc: str, columns: Iterable[tuple[str, pa.DataType, str]]) -> pa.Schema:
    fields = [pa.field(name, kind, metadata={"doc": said}) for name, kind, said in columns]
    return pa.schema(fields, metadata={"doc": doc})


def _said(name: str) -> dict[str, str]:
    """Field → meaning, as the Avro schema has it: one text for both."""
    return {each["name"]: each["doc"] for each in schema_json(name)["fields"] if "doc" in each}


def _place(message: Message) -> tuple[int, int, int]:
    return message.partition(), message.offset(), message.timestamp()[1] * 1000


_PLACE = (
    ("partition", SMALL, "Partition of the record in its topic."),
    ("offset", BIG, "Offset of the record in that partition."),
    ("appended", INSTANT, "The record's own Kafka timestamp."),
)
_KEY = ("key", TEXT, "Subject key in hex: stands for an address or a contact of one tenant.")
_KEY_KIND = ("key_kind", TEXT, "What the key stands for: address or contact.")


def _subject(key: bytes | None) -> tuple[str, str]:
    if not is_subject_key(key):
        raise WireError("bad_key", "a record without a subject key")
    return key.hex(), kind_of(key)


_STANDING_TYPES = {"status": TEXT, "reasons": TEXTS, "blocked_scopes": TEXTS, "label": TEXT}


def _changes() -> pa.Schema:
    said = _said("consent_change")
    (standing,) = (field["type"] for field in schema_json("consent_change")["fields"] if field["name"] == "before")
    of_standing = {each["name"]: each["doc"] for each in standing["fields"]}
    return _schema(
        "A standing changed: a row per record of consent.changes.",
        (
            *_PLACE, _KEY, _KEY_KIND,
            ("tenant", TEXT, said["tenant"]), ("channel", TEXT, said["channel"]),
            ("version", BIG, said["version"]), ("received", INSTANT, said["received"]),
            ("event_id", TEXT, said["id"]), ("source", TEXT, said["source"]), ("type", TEXT, said["type"]),
            ("event_partition", SMALL, said["partition"]), ("event_offset", BIG, said["offset"]),
            ("derived", FLAG, said["derived"]),
            *((f"{when}_{name}", kind, f"{said[when]} {of_standing[name]}")
              for when in ("before", "after") for name, kind in _STANDING_TYPES.items()),
        ),
    )  # fmt: skip


def _change_row(message: Message) -> Row:
    key, change = _subject(message.key()), decode_change(message.value() or b"")
    return *_place(message), *key, *_flat(change)


def _flat(change: Change) -> Iterable[Any]:
    return *change[: Change._fields.index("before")], *change.before, *change.after


_SEND_TYPES = {
    "keys": TEXTS, "bases": TEXTS, "bare": FLAG, "checked": INSTANT, "started": INSTANT, "ended": INSTANT,
    "allow": FLAG, "reasons": TEXTS, "facts": TEXTS, "facts_left_out": SMALL, "version": BIG,
    "applied_through": INSTANT, "valid_until": INSTANT,
}  # fmt: skip


def _sends() -> pa.Schema:
    said = _said("send")
    return _schema(
        "What became of a message at a gate: a row per record of consent.sends.",
        (
            *_PLACE,
            ("key", TEXT, "Subject key of the address in hex, the first of keys; null when there was none."),
            ("handed_over_at", INSTANT, "When it was handed over, as far as that is known; null when it was not."),
            *((name, _SEND_TYPES.get(name, TEXT), said[name]) for name in Send._fields),
        ),
    )  # fmt: skip


def _send_row(message: Message) -> Row:
    send = decode_send(message.value() or b"")
    keys = [key.hex() for key in send.keys]
    shown = send._replace(valid_until=send.valid_until or None)  # type: ignore[arg-type]  # 0 is no instant here
    told = {**shown._asdict(), "keys": keys, "bases": [key.hex() for key in send.bases]}
    return *_place(message), keys[0] if keys else None, send.handed_over_at, *told.values()


def _ledger() -> pa.Schema:
    said = _said("ledger_fact")
    return _schema(
        "A qualified event for one subject key: a row per record of consent.ledger.",
        (
            *_PLACE, _KEY, _KEY_KIND,
            ("tenant", TEXT, said["tenant"]), ("event_id", TEXT, said["id"]), ("source", TEXT, said["source"]),
            ("type", TEXT, said["type"]), ("received", INSTANT, said["received"]),
            ("event_partition", SMALL, said["partition"]), ("event_offset", BIG, said["offset"]),
            ("stands_for", TEXTS, "What the key stands for: email, sms, contact."), ("derived", FLAG, said["derived"]),
            ("parts", PARTS, said["parts"] + " Birth dates are left out."),
        ),
    )  # fmt: skip


def _fact_row(message: Message) -> Row:
    key, kind = _subject(message.key())
    fact = decode_fact(message.key(), message.value() or b"")
    about = (fact.tenant, fact.id, fact.source, fact.type, fact.received, fact.partition, fact.offset)
    return (
        *_place(message),
        key,
        kind,
        *about,
        stands_for(fact.channels),
        fact.derived,
        [part_row(part) for part in fact.parts],
    )


def _quarantine() -> pa.Schema:
    return _schema(
        "What was not understood: a row per record of consent.quarantine, without its content.",
        (
            *_PLACE,
            ("code", TEXT, "Why: a quarantine code."), ("stage", TEXT, "Where it was found out: intake or state."),
            ("source_topic", TEXT, "The topic it came from."), ("source_partition", SMALL, "Its partition there."),
            ("source_offset", BIG, "Its offset there."), ("bytes", BIG, "How long its value is."),
        ),
    )  # fmt: skip


def _quarantine_row(message: Message) -> Row:
    said = dict(message.headers() or ())
    try:
        texts = {
            name: said[f"consent-error-{name}"].decode() for name in ("code", "stage", "topic", "partition", "offset")
        }
        place = (int(texts["partition"]), int(texts["offset"]))
    except (KeyError, ValueError, AttributeError) as error:  # no such header, no UTF-8 or number, or no value
        raise WireError("bad_headers", "a quarantined record that does not say why") from error
    return *_place(message), texts["code"], texts["stage"], texts["topic"], *place, len(message.value() or b"")


UNREADABLE = _schema(
    "Records that the version which exported them could not read: their places.",
    (
        *_PLACE,
        ("code", TEXT, "What is wrong: unknown_schema, bad_avro, bad_key, bad_headers, bad_number."),
        ("bytes", BIG, "How long its value is."),
    ),
)


def unreadable_row(message: Message, code: str) -> Row:
    """The row of a record that is no row of its table."""
    return *_place(message), code, len(message.value() or b"")


def _of(topic: Topic, columns: pa.Schema, row: Callable[[Message], Row], dated: str) -> Table:
    return Table(topic, columns, row, columns.get_field_index(dated))


NAMES = tuple(topic.name.partition(".")[2] for topic in (CHANGES, SENDS, LEDGER, QUARANTINE))


@cache
def table_of(name: str) -> Table:
    """The table of a name of `NAMES`."""
    return {
        "changes": lambda: _of(CHANGES, _changes(), _change_row, "received"),
        "sends": lambda: _of(SENDS, _sends(), _send_row, "ended"),
        "ledger": lambda: _of(LEDGER, _ledger(), _fact_row, "received"),
        "quarantine": lambda: _of(QUARANTINE, _quarantine(), _quarantine_row, "appended"),
    }[name]()
