"""Nearly right input of every kind ends in a result or in its documented error, and soon."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from consent_stream.domain.addresses import base_form, canonical_email, canonical_phone, kept_email, kept_phone
from consent_stream.domain.policy import PolicyError, read_policy
from consent_stream.domain.times import parse_day, parse_instant
from consent_stream.gate.rows import read_row, settle
from consent_stream.gate.shapes import glance
from consent_stream.importing.source import FileFault
from consent_stream.keyfile import KeyFileError, load_keys
from consent_stream.scenario import ScenarioError, read_scenarios
from consent_stream.topology.intake import take_in
from consent_stream.wire import control, stops
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import Keyring
from consent_stream.wire.suppression import decode_entry
from tests.faults.population import POLICY, events
from tests.importing.listed import LISTS, SAMPLES, read_as
from tests.wire.released import newest
from tests.wire.test_broken_bytes import READERS

from .fuzz import SECONDS, ends_well, inputs

KEYS = Keyring({0: bytes(32)})
KEY_FILE = b'current = 0\n[keys]\n0 = "' + b"00" * 32 + b'"\n1 = "' + b"ab" * 32 + b'"\n'
PARSED = read_policy(tomllib.loads(POLICY))
STOP = stops.encode_stop("acme", "email", stops.Stop(True, "a reason", "ana", 1))[1]
CONTROL: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "policy": (control.decode_policy, control.encode_policy(tomllib.loads(POLICY)["tenants"])[1]),
    "partitions": (control.decode_partitions, control.encode_partitions(control.Partitions(8, 8))[1]),
    "keys": (control.decode_keys, control.encode_keys({"0": "00c0ffee00c0ffee"})[1]),
    "topics": (control.decode_topics, control.encode_topics({"consent.ledger": "abc"})[1]),
    "active": (control.decode_active, control.encode_active(control.FIRST)[1]),
    "stop": (stops.decode_stop, STOP),
}


@pytest.mark.parametrize("name", READERS)
def test_records_of_every_schema(name: str) -> None:
    seeds = newest()[name].values
    read_ones = [ends_well(READERS[name], raw, (WireError,)) for raw in inputs(name, seeds)]
    assert len(read_ones) > 20
    assert not all(read_ones)


def test_rows_at_a_glance() -> None:
    """What a gate answers from at a glance is what the wire's own decoder reads, too."""
    seeds = newest()["suppression"].values
    for raw in inputs("glance", seeds):
        assert ends_well(glance, raw, ())
        ends_well(read_row, raw, (WireError,))
        ends_well(decode_entry, raw, (WireError,))
        assert ends_well(lambda value: settle(seeds[0], value), raw, ())
        assert ends_well(lambda value: settle(None, value), raw, ())


@pytest.mark.parametrize("name", CONTROL)
def test_records_of_control(name: str) -> None:
    decode, true = CONTROL[name]
    assert sum(ends_well(decode, raw, (WireError,)) for raw in inputs(name, [true])) > 0


def test_events_all_the_way_to_facts() -> None:
    seeds = events(60, 120)
    seeds = [each for each in seeds if len(each) < 8_000]
    for raw in inputs("events", seeds):
        assert ends_well(lambda value: take_in(value, 1_773_144_000_000_000, (0, 0), PARSED, KEYS.subject), raw, ())


def test_policies() -> None:
    def decode(raw: bytes) -> None:
        try:
            table = tomllib.loads(raw.decode())
        except (ValueError, RecursionError):  # as the worker has it: of the format or the encoding
            return
        read_policy(table)

    for raw in inputs("policy.toml", [POLICY.encode()]):
        ends_well(decode, raw, (PolicyError,))


def test_key_files(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.touch(mode=0o600)

    def decode(raw: bytes) -> None:
        path.write_bytes(raw)
        load_keys(path)

    for raw in inputs("keys.toml", [KEY_FILE]):
        ends_well(decode, raw, (KeyFileError,))


def test_scenario_files(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    folder = Path(__file__).parents[1] / "scenarios"

    def decode(raw: bytes) -> None:
        path.write_bytes(raw)
        read_scenarios(path)

    for raw in inputs("scenario", [each.read_bytes() for each in sorted(folder.glob("T*.json"))]):
        ends_well(decode, raw, (ScenarioError,))


@pytest.mark.parametrize("sample", LISTS)
def test_import_files(sample: str, tmp_path: Path) -> None:
    path, (form, options) = tmp_path / sample, LISTS[sample]

    def decode(raw: bytes) -> None:
        path.write_bytes(raw)
        read_as(form, path, **options)

    for raw in inputs(sample, [(SAMPLES / sample).read_bytes()], SECONDS / 4):
        ends_well(decode, raw, (FileFault,))


ANY = st.text(st.characters(exclude_categories=()), max_size=300)
NEARLY = st.lists(
    ANY | st.sampled_from(["ana", "@", ".", "+tag", '"', "\\", "xn--", "example.com", "\u200b", "\u202e", "\u0430",
                           "\ud800", "\0", "\r\n", "1" * 70, "[127.0.0.1]", "+1", "2015550123", ";ext=5", "tel:"]),
    max_size=8,
).map("".join)  # fmt: skip


@seed(7)
@settings(max_examples=1500, deadline=1000, database=None)
@given(NEARLY, st.none() | st.sampled_from(["US", "DE", "", "xx", "001"]) | st.text(max_size=3))
def test_addresses(text: str, region: str | None) -> None:
    email, phone = canonical_email(text), canonical_phone(text, region)
    if email is not None:
        assert canonical_email(email) == email
        base_form(email).encode()
        KEYS.subject("acme", "email", email)
    if phone is not None:
        assert canonical_phone(phone, None) == phone
    kept_email(text), kept_phone(text)
    parse_instant(text), parse_day(text)


def test_the_check_sees_what_it_forbids() -> None:
    def broken(raw: bytes) -> None:
        json.loads(raw)

    with pytest.raises(AssertionError, match="JSONDecodeError"):
        ends_well(broken, b"{", (WireError,))
