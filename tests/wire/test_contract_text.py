"""What docs/contract.md says of bytes, keys and kinds is what is written: readers are made from that page alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import consent_stream
from consent_stream.domain.clearing import level_to_clear
from consent_stream.domain.facts import KINDS, LIFTED, REVIEWED
from consent_stream.domain.policy import DEFAULTS, LEVELS
from consent_stream.wire import control, schemas
from consent_stream.wire.keys import Keyring
from consent_stream.wire.schemas import schema_json

CONTRACT = (Path(consent_stream.__file__).parents[1] / "docs" / "contract.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in CONTRACT.splitlines() if line[:1] == "|"]
ROOT = Keyring({0: bytes(32)})


def records(name: str) -> dict[str, dict[str, Any]]:
    """The records of a schema by name, whatever depth they stand at."""
    found: dict[str, dict[str, Any]] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "record":
                found[node["name"]] = node
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(schema_json(name))
    return found


def spelled(field: dict[str, Any]) -> str:
    """A field as the page writes it: its name, and its type unless it is a string."""
    kind = field["type"]
    if isinstance(kind, list):
        return f"{field['name']} (null or Delivery)"
    if isinstance(kind, dict) and kind["type"] == "array":
        items = kind["items"]
        return f"{field['name']} [{items if isinstance(items, str) else items['name']}]"
    name = kind if isinstance(kind, str) else kind.get("name", kind["type"])
    return field["name"] if name == "string" else f"{field['name']} {name}"


SPELLED = {
    name: ", ".join(map(spelled, record["fields"]))
    for each in ("suppression", "heartbeat")
    for name, record in records(each).items()
}


@pytest.mark.parametrize("name", sorted(SPELLED))
def test_the_fields_of_each_record_stand_in_their_order(name: str) -> None:
    assert [fields for _, told, fields in (row for row in ROWS if len(row) == 3) if told == name] == [SPELLED[name]]


def test_the_headers_are_those_of_the_schemas() -> None:
    told = {row[1]: row[0].strip("`") for row in ROWS if row[0].startswith("`c301")}
    assert told == {"Suppression": schemas.SUPPRESSION.hex(), "Heartbeat": schemas.HEARTBEAT.hex()}


def test_the_vectors_of_subject_keys_hold() -> None:
    vectors = [[cell.strip("`") for cell in row] for row in ROWS if re.fullmatch("`01[0-9a-f]{36}`", row[-1])]
    assert [channel for channel, _, _ in vectors] == ["email", "email", "sms", "contact"]
    for channel, canonical, key in vectors:
        assert ROOT.subject("acme", channel, canonical).hex() == key
    assert f"`{ROOT.tenant_key('acme', 0).hex()}`" in CONTRACT


def test_each_kind_is_undone_as_the_page_says() -> None:
    (step,) = re.findall(r"^6\. (.*?)^7\. ", CONTRACT, re.MULTILINE | re.DOTALL)
    lifts, _, grants = step.partition("are undone by a lift")
    assert set(re.findall(r"`(\w+)`", lifts)) == (LIFTED | REVIEWED) - {"minor"}
    levels = grants.partition("of at least this level:")[2]
    told = {
        kind: int(n) for kinds, n in re.findall(r"([^;:]*?) (\d)[;.]", levels) for kind in re.findall(r"\w+", kinds)
    }
    assert told == {kind: level for kind in KINDS if (level := level_to_clear(kind)) is not None}


def test_the_kinds_of_a_base_form_are_those_that_the_page_lists() -> None:
    (step,) = re.findall(r"^2\. \*\*Lookup(.*?)^3\. ", CONTRACT, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", step)) & set(KINDS) == {name for name, kind in KINDS.items() if kind.base_form}


def test_the_records_of_the_control_topic_and_the_defaults_are_told() -> None:
    (section,) = re.findall(r"^## consent\.control(.*?)^## ", CONTRACT, re.MULTILINE | re.DOTALL)
    for name in (control.POLICY, control.PARTITIONS, control.KEYS, control.TOPICS):
        assert f"| `{name.decode()}` |" in section
    assert re.search(r'"min_evidence": "(E\d)"', section)[1] == f"E{DEFAULTS.min_evidence}"  # type: ignore[index]
    assert f'"allow_migrated": {str(DEFAULTS.allow_migrated).lower()}' in section
    assert LEVELS["E2"] == 2  # `level` ≥ `min_evidence` compares the digits
