"""Every version of a schema reads every other; and the check would see it if one did not."""

import json
from dataclasses import dataclass

import pytest

from consent_stream.wire.schemas import NAMES

from .compatibility import faults
from .reference import HEADER, fastavro_writes
from .released import releases


@dataclass
class MadeUp:
    """A version of a schema that was never released."""

    schema: str
    records: list

    @property
    def values(self) -> list[bytes]:
        return [bytes(HEADER) + fastavro_writes(self.schema, record) for record in self.records]

    def __str__(self) -> str:
        return "made up"


@pytest.mark.parametrize("name", NAMES)
def test_all_released_versions_read_each_other(name):
    versions = [release for release in releases() if release.name == name]
    assert versions
    assert faults(versions) == []


def evolved(name: str, change, fill):
    """The newest version of a schema and a made-up next one: `change` alters the schema, `fill` a record of it."""
    release = [each for each in releases() if each.name == name][-1]
    schema = json.loads(release.schema)
    change(schema)
    return [release, MadeUp(json.dumps(schema), [fill(record) for record in release.records])]


def field(schema, name):
    return next(each for each in schema["fields"] if each["name"] == name)


def add(**extra):
    return lambda schema: schema["fields"].append({"name": "added", "doc": "New.", **extra})


def drop(name):
    return lambda schema: schema["fields"].remove(field(schema, name))


def retype(name, kind):
    return lambda schema: field(schema, name).update(type=kind)


def without(name):
    return lambda record: {key: value for key, value in record.items() if key != name}


def same(record):
    return record


def test_a_field_with_a_default_may_be_added():
    assert faults(evolved("progress", add(type="string", default=""), lambda r: r | {"added": "x"})) == []
    optional = add(type=["null", "long"], default=None)
    assert faults(evolved("ledger_fact", optional, lambda r: r | {"added": 5})) == []


def test_a_field_that_had_a_default_may_go():
    assert faults(evolved("consent_state", drop("delivered"), without("delivered"))) == []


@pytest.mark.parametrize(
    ("name", "change", "fill"),
    [
        ("progress", add(type="string"), lambda r: r | {"added": "x"}),
        ("progress", drop("stage"), without("stage")),
        ("progress", retype("stage", "bytes"), lambda r: r | {"stage": b"\xff"}),
        ("progress", retype("hop", "string"), lambda r: r | {"hop": "0"}),
        ("progress", retype("hop", "long"), same),  # the new reads the old, not the other way round
        ("heartbeat", retype("written", {"type": "string"}), lambda r: r | {"written": "now"}),
        ("consent_state", lambda schema: schema.update(name="State"), same),
        ("ledger_fact", lambda schema: field(schema, "parts")["type"]["items"].append("string"),
         lambda r: r | {"parts": [*r["parts"], "a part that old readers do not know"]}),
        ("ledger_fact", lambda schema: field(schema, "parts")["type"]["items"].pop(),
         lambda r: r | {"parts": r["parts"][:-1]}),
    ],
)  # fmt: skip
def test_what_breaks_a_reader_is_found(name, change, fill):
    assert faults(evolved(name, change, fill)) != []


def test_a_value_that_changes_on_the_way_is_found():
    """Text and bytes read as each other, and are not equal."""
    found = faults(evolved("progress", retype("stage", "bytes"), lambda r: r | {"stage": b"intake"}))
    assert any(each.endswith(".stage changes its value") for each in found)


def test_transitive_means_every_pair():
    first, second = evolved("progress", add(type=["null", "int"], default=None), lambda r: r | {"added": 1})
    third = MadeUp(
        second.schema.replace('["null", "int"]', '["null", "string"]'), [r | {"added": "x"} for r in first.records]
    )
    assert faults([first, second]) == []
    assert faults([first, third]) == []
    assert faults([first, second, third]) != []
