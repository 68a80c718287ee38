"""The schemas themselves: fingerprints, a doc on every field, shared records alike wherever they stand."""

import json

import avro.schema
import fastavro.schema
import pytest

from consent_stream.wire import schemas
from consent_stream.wire.avro import WireError
from consent_stream.wire.schemas import NAMES, check_header, header_of, rabin, schema_json

from .reference import named
from .released import SCHEMAS, releases


@pytest.mark.parametrize("name", NAMES)
def test_the_fingerprint_written_down_is_that_of_the_schema(name):
    assert getattr(schemas, name.upper()) == header_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_fastavro_computes_the_same_fingerprint(name):
    canonical = fastavro.schema.to_parsing_canonical_form(schema_json(name))
    assert fastavro.schema.fingerprint(canonical, "CRC-64-AVRO") == header_of(name)[2:].hex()


def test_fingerprints_of_the_specification():
    """Source: share/test/data/schema-tests.txt of Apache Avro, as signed numbers."""
    known = {"null": 7195948357588979594, "boolean": -6970731678124411036, "int": 8247732601305521295}
    for name, wanted in known.items():
        assert rabin(f'"{name}"'.encode()) == wanted % (1 << 64)


def test_no_two_schemas_or_versions_share_a_fingerprint():
    headers = [release.values[0][:10] for release in releases()]
    assert len(set(headers)) == len(headers) >= len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_record_and_every_field_says_what_it_is(name):
    found = list(named(schema_json(name)))
    assert found
    for record in found:
        assert record.get("doc") or record["type"] == "fixed", record["name"]
        for field in record.get("fields", ()):
            assert field.get("doc", "").endswith("."), f"{record['name']}.{field['name']}"


def test_shared_records_are_alike_in_every_schema():
    seen = {}
    for name in NAMES:
        for record in named(schema_json(name)):
            text = json.dumps(record)
            assert seen.setdefault(record["name"], text) == text, f"{record['name']} in {name}"
    assert {"Restriction", "Grant", "Lift", "Void", "Birth", "Delivery", "Applied"} <= set(seen)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_implementation_accepts_the_schema(name):
    parsed = avro.schema.parse((SCHEMAS / f"{name}.avsc").read_text())
    assert parsed.namespace == "org.consentstream"


def test_the_package_ships_the_schemas():
    assert all(schema_json(name) == json.loads((SCHEMAS / f"{name}.avsc").read_text()) for name in NAMES)


@pytest.mark.parametrize("value", [b"", b"\xc3\x01", bytes(10), schemas.LEDGER_FACT, schemas.SUPPRESSION[:9]])
def test_a_value_of_another_schema_is_refused(value):
    with pytest.raises(WireError) as caught:
        check_header(value, schemas.SUPPRESSION)
    assert caught.value.code == "unknown_schema"
