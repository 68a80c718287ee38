"""Real shapes of exports → golden events; and what every adapter must hold to, whatever a file says."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.events import qualify
from consent_stream.domain.facts import Delivery, Grant, Lift, Restriction, Void
from consent_stream.domain.policy import read_policy
from consent_stream.importing.formats import FORMATS
from consent_stream.importing.rows import STATUSES
from consent_stream.importing.source import FileFault
from consent_stream.importing.survey import Survey
from consent_stream.wire.keys import Keyring
from tests.importing.listed import LISTS, PROOF, SAMPLES, golden, read_as, read_sample, told

POLICY = read_policy({
    "tenants": {"acme": {"allow_migrated": True}},
    "sources": {
        f"/import/{form}": {"clock": "dated", "max_evidence": "E1", "tenants": ["acme"]} for form in FORMATS
    },
    "notices": {"acme": [{"id": "n1", "version": 3, "effective": "2020-01-01T00:00:00Z", "purposes": ["marketing"]}]},
})  # fmt: skip
RECEIVED = 1_767_225_600_000_000  # 2026-01-01
KEYS = Keyring({0: bytes(32)})


@pytest.mark.parametrize("name", LISTS)
def test_a_sample_becomes_the_golden_events(name):
    assert told(read_sample(name)) == golden()[name]


def test_every_sample_has_golden_events():
    assert set(golden()) == set(LISTS) == {path.name for path in SAMPLES.iterdir()}


@pytest.mark.parametrize("name", LISTS)
def test_the_intake_understands_every_event_of_a_sample(name):
    for item in read_sample(name):
        if item.told.value is None:
            continue
        outcome = qualify(orjson.loads(item.told.value), RECEIVED, (0, 0), POLICY, KEYS.subject)
        assert outcome.code is None, (name, item.row.line)
        assert "incomplete_proof" not in outcome.counts
        parts = {type(part) for fact in outcome.facts for part in fact.parts}
        expected = {"subscribed": Grant, "bounced": Delivery}.get(item.row.status, Restriction)
        assert expected in parts, (name, item.row.line)


@pytest.mark.parametrize(
    "address", ["Ana <ana@example.com>", '"Ana" <ana@example.com>', '"""Ana, L."" <ana@example.com>"']
)
def test_a_no_to_an_address_with_a_name_is_to_the_address_and_a_yes_is_not_guessed_at(tmp_path, address):
    (tmp_path / "list.csv").write_text(f"email,status,date\n{address},bounced,\n{address},subscribed,2025-03-01\n")
    no, yes = read_as("csv", tmp_path / "list.csv", **PROOF)
    assert orjson.loads(no.told.value)["data"]["email"] == "ana@example.com"
    assert yes.told.value is None


# -- whatever a file says ------------------------------------------------------------------------------

WORDS = st.sampled_from([
    "", "subscribed", "unsubscribed", "bounced", "complained", "lifted", "admin.lift", "review.cleared", "BOUNCE",
    "delivered", "HardBounce", "ManualSuppression", "ana@example.com", "Ana <ana@example.com>", "+12015550123", "c-1",
    "2025-03-01", "2031-01-01", "1762203785", "03/04/2025", "news", "news//x", "*", "n1@3", '"', "a,b", "5.1.1",
    "\ud800",
])  # fmt: skip
TEXT = st.one_of(WORDS, st.text(max_size=12))
COLUMNS = sorted({name for form in FORMATS.values() for names in form.columns.values() for name in names})


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """(format, file name, bytes): CSV or JSON with columns that formats know, and anything in them."""
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=8, unique=True))
    rows = draw(st.lists(st.lists(TEXT, min_size=len(columns), max_size=len(columns)), max_size=6))
    name = draw(st.sampled_from(["list", "subscribed_x", "unsubscribed_x", "cleaned_x", "suppression_bounces"]))
    if draw(st.booleans()):
        entries = [dict(zip(columns, row, strict=True)) for row in rows]
        return draw(st.sampled_from(list(FORMATS))), f"{name}.json", orjson_or_none(entries)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *rows])
    written = text.getvalue().encode("utf-8", "replace")
    return draw(st.sampled_from(list(FORMATS))), f"{name}.csv", written + draw(st.binary(max_size=20))


def orjson_or_none(entries: list[dict[str, str]]) -> bytes:
    try:
        return orjson.dumps(entries)
    except TypeError:  # a lone surrogate is in no file
        return b"[]"


@settings(max_examples=300, deadline=None)
@given(files(), st.sampled_from(["email", "sms"]), st.sampled_from([*STATUSES, ""]))
def test_no_file_lifts_clears_voids_or_delivers(file, channel, status):
    form, name, content = file
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        try:
            found = read_as(form, Path(folder) / name, channel=channel, reading={"status": status}, **PROOF)
        except FileFault as refused:
            fault = str(refused)
            found = []
        else:
            fault = ""
    assert "@example" not in fault
    counted = Survey()
    for item in found:
        counted.add(item)
        if item.told.value is None:
            continue
        event = orjson.loads(item.told.value)
        assert event["type"] == "import.row.v1"
        assert event["data"]["status"] in STATUSES
        assert not event["data"].keys() & {"names", "kind", "node", "approved_by", "evidence", "voids", "keys"}
        for fact in qualify(event, RECEIVED, (0, 0), POLICY, KEYS.subject).facts:
            for part in fact.parts:
                assert not isinstance(part, Lift | Void)
                assert not isinstance(part, Delivery) or part.bounced
                assert not isinstance(part, Grant) or (part.level <= 1 and part.names == ())
    assert sum(counted.fates.values()) == counted.rows == len(found)
    assert all("@example" not in fault for fault in counted.faults)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.emails(domains=st.just("example.com")), st.sampled_from(STATUSES)), max_size=30))
def test_every_row_that_restricts_is_told_once(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("email", "status"), *rows])
    with TemporaryDirectory() as folder:
        (Path(folder) / "list.csv").write_bytes(text.getvalue().encode())
        found = read_as("csv", Path(folder) / "list.csv")
    sent = [orjson.loads(item.told.value)["data"] for item in found if item.told.value]
    restricting = [(address, status) for address, status in rows if status != "subscribed"]
    assert Counter((data["email"], data["status"]) for data in sent) == Counter(restricting)
    ids = [orjson.loads(item.told.value)["id"] for item in found if item.told.value]
    assert len(set(ids)) == len(ids)
