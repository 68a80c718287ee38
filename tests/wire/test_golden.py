"""Bytes of every released schema: written today as then, read by us and by anyone who has the .avsc alone."""

import pytest

from consent_stream.domain.registers import Registers
from consent_stream.wire import schemas
from consent_stream.wire.change import Change, decode_change
from consent_stream.wire.gate_report import decode_report, encode_report
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.records import read_events
from consent_stream.wire.send import decode_send, encode_send
from consent_stream.wire.state import decode_registers, encode_registers
from consent_stream.wire.suppression import Entry, decode_entry
from consent_stream.wire.vector import decode_heartbeat, decode_progress, encode_heartbeat, encode_progress

from . import told
from .reference import HEADER, OddBlocks, fastavro_reads, fastavro_writes, reference_reads, reference_writes
from .released import SCHEMAS, Release, newest, releases
from .samples import EVENTS, KEY, samples
from .strategies import slots

GOLDEN = [(release, number) for release in releases() for number in range(len(release.values))]
NEWEST = [(release, number) for release, number in GOLDEN if release == newest()[release.name]]


def golden_ids(value):
    return str(value)


def shown(name: str, value: bytes):
    """What our own decoder makes of a value, in plain values."""
    if name == "ledger_fact":
        return told.fact(decode_fact(KEY, value))
    if name == "consent_state":
        return told.registers(decode_registers(value))
    if name == "suppression":
        return entry_shown(decode_entry(value))
    if name == "heartbeat":
        return beat_shown(decode_heartbeat(value)._asdict(), "applied", "settled")
    if name == "progress":
        found = beat_shown(decode_progress(value)._asdict(), "vector")
        return found | {"ends": list(found["ends"])}
    if name == "send":
        send = decode_send(value)._asdict()
        return {name: list(part) if isinstance(part, tuple) else part for name, part in send.items()}
    if name == "gate_report":
        return beat_shown(decode_report(value)._asdict(), "applied", "settled")
    if name == "consent_change":
        return change_shown(decode_change(value))
    assert name == "consent_event"
    return read_events(value)


def change_shown(change: Change):
    standings = {
        when: {name: list(part) if isinstance(part, tuple) else part for name, part in standing._asdict().items()}
        for when, standing in (("before", change.before), ("after", change.after))
    }
    return change._asdict() | standings


def entry_shown(entry: Entry):
    reg: Registers = entry.registers
    state = told.registers(reg)
    assert reg.tenant == entry.tenant
    for on_no_list in ("requested", "links"):
        del state[on_no_list]
    return state | {
        "channel": entry.channel, "status": entry.status, "reasons": list(entry.reasons),
        "blocked_scopes": list(entry.blocked_scopes), "minor_until": entry.minor_until,
        "generation": entry.generation, "version": entry.version,
        "cause": {"id": entry.cause_id, "partition": entry.cause_partition, "offset": entry.cause_offset},
    }  # fmt: skip


def beat_shown(found, *vectors):
    rows = {
        name: [{"partition": p, "offset": point.offset, "through": point.through} for p, point in found[name].items()]
        for name in vectors
    }
    return found | rows


READ_BY_US = [(release, number) for release, number in NEWEST if release.name != "consent_event"]


def test_every_schema_is_released():
    assert sorted(newest()) == sorted(schemas.NAMES) == sorted(path.stem for path in SCHEMAS.glob("*.avsc"))


@pytest.mark.parametrize("release", newest().values(), ids=str)
def test_the_schemas_in_the_package_are_the_newest_released_ones(release: Release):
    """Not a letter may differ: a changed schema is a new version, with golden bytes of its own."""
    assert (SCHEMAS / f"{release.name}.avsc").read_text() == release.schema


@pytest.mark.parametrize("name", [name for name in schemas.NAMES if name != "consent_event"])
def test_we_write_the_golden_bytes(name):
    written = [sample.encode() for sample in samples(name)]
    assert [value.hex() for value in written] == [value.hex() for value in newest()[name].values]
    assert [sample.told for sample in samples(name)] == newest()[name].records


@pytest.mark.parametrize(("release", "number"), GOLDEN, ids=golden_ids)
def test_anyone_reads_the_golden_bytes_with_the_schema_alone(release: Release, number: int):
    value, record = release.values[number], release.records[number]
    assert fastavro_reads(release.schema, value[HEADER:]) == record
    assert reference_reads(release.schema, value[HEADER:]) == record


@pytest.mark.parametrize(("release", "number"), READ_BY_US, ids=golden_ids)
def test_we_read_the_golden_bytes_and_what_others_write(release: Release, number: int):
    value, record = release.values[number], release.records[number]
    header = value[:HEADER]
    assert shown(release.name, value) == record
    assert shown(release.name, header + reference_writes(release.schema, record)) == record
    assert shown(release.name, header + fastavro_writes(release.schema, record)) == record
    odd = OddBlocks(release.schema).write(record)
    assert fastavro_reads(release.schema, odd) == record, "the writer of odd blocks writes Avro"
    assert shown(release.name, header + odd) == record


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_avro_events_read_as_their_json_twins_would(number):
    value = newest()["consent_event"].values[number]
    (event,) = read_events(value)
    wanted = {name: field for name, field in EVENTS[number].items() if field is not None}
    extra = {"words": "Keep me."} if number == 1 else {}
    data = {name: field for name, field in wanted["data"].items() if field is not None and name != "extra"}
    assert event == wanted | {"data": extra | data}


@pytest.mark.parametrize(("release", "number"), READ_BY_US, ids=golden_ids)
def test_what_we_read_we_write_again(release: Release, number: int):
    value = release.values[number]
    again = {
        "ledger_fact": lambda: encode_fact(decode_fact(KEY, value)),
        "consent_state": lambda: encode_registers(decode_registers(value)),
        "heartbeat": lambda: encode_heartbeat(decode_heartbeat(value)),
        "progress": lambda: encode_progress(decode_progress(value)),
        "send": lambda: encode_send(decode_send(value)),
        "gate_report": lambda: encode_report(decode_report(value))[1],
    }
    if release.name in again:
        assert again[release.name]() == value


def test_a_comparison_of_registers_sees_every_slot():
    full = decode_registers(newest()["consent_state"].values[2])
    empty = decode_registers(newest()["consent_state"].values[0])
    same = {name for name, found in slots(full).items() if found == slots(empty)[name]}
    assert same == {"tenant"}
