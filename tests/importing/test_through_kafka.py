"""Imports as people run them: the command on a real Kafka, a worker, and a gate that must obey the lists."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from consent_stream.dev.leash import leashed
from consent_stream.gate import Gate
from consent_stream.importing.survey import Item
from consent_stream.wire.topics import EVENTS, QUARANTINE
from tests.faults.deployment import Deployment, await_that, deployed
from tests.importing.listed import LISTS, PROOF, SAMPLES, read_sample

pytestmark = pytest.mark.kafka

POLICY = """
[tenants.acme]
allow_migrated = true
[sources."/import/csv"]
clock = "dated"
max_evidence = "E1"
tenants = ["acme"]
[sources."/import/mailchimp"]
clock = "undated"
max_evidence = "E1"
tenants = ["acme"]
[[notices.acme]]
id = "n1"
version = 3
effective = "2020-01-01T00:00:00Z"
purposes = ["marketing"]
"""
ROWS = 40_000  # enough for a second of work, so that it can be killed in its midst
WAIT = "60"


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("import"), "import-", POLICY) as found:
        found.worker("w1").start().await_ready()
        yield found


@pytest.fixture(scope="module")
def gate(deployment: Deployment) -> Iterator[Gate]:
    with Gate(deployment.settings, channel="email") as found:
        assert found.wait_ready(60), found.status()
        yield found


def command(deployment: Deployment, *arguments: str) -> list[str]:
    return leashed([sys.executable, "-m", "consent_stream", *arguments])


def run(deployment: Deployment, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(deployment, *arguments), capture_output=True, text=True, timeout=120, env=deployment.environment()
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def imported(deployment: Deployment, file: Path, form: str, *more: str, code: int = 0) -> dict[str, Any]:
    done = run(deployment, "import", str(file), "--format", form, "--tenant", "acme", "--json", *more, code=code)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def proof() -> list[str]:
    return [text for name, value in PROOF.items() for text in (f"--{name}", value)]


def verdicts(gate: Gate, receipts: dict[str, int], addresses: list[str], scope: str = "*") -> list[tuple[str, ...]]:
    """The reasons for each address, once the gate has what was imported."""
    for partition, offset in receipts.items():
        assert gate.wait_for((int(partition), offset), 60)
    return [gate.check(tenant="acme", email=each, scope=scope).reasons for each in addresses]


def addresses_of(found: list[Item]) -> list[str]:
    return [item.row.address for item in found if item.told.value is not None]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ses-list.json", {"undeliverable", "complaint"}),
        ("suppression_bounces.csv", {"undeliverable"}),
        ("suppression_spam_reports.csv", {"complaint"}),
        ("postmark-dump.json", {"unsubscribed", "undeliverable", "complaint"}),
    ],
)
def test_what_a_list_suppresses_the_gate_denies(deployment, gate, name, reason):
    told = imported(deployment, SAMPLES / name, LISTS[name][0])
    reasons = verdicts(gate, told["receipts"], addresses_of(read_sample(name)))
    assert reasons
    assert all(set(each) & reason for each in reasons)
    assert not list(SAMPLES.glob("*.import-state"))


def test_a_list_of_numbers_is_for_texts(deployment):
    more = ["--channel", "sms", "--region", "US", "--wait", WAIT]
    told = imported(deployment, SAMPLES / "texts.csv", "csv", *more)
    assert told["files"][0]["fates"] == {"unsubscribed": 1, "incomplete_proof": 1}
    with Gate(deployment.settings, channel="sms") as texts:
        assert texts.wait_ready(60), texts.status()
        assert "unsubscribed" in texts.check(tenant="acme", phone="+12015550123").reasons
        assert texts.check(tenant="acme", phone="2015550124", region="US").reasons == ("no_consent",)


def test_an_audience_is_imported_from_its_zip_and_a_no_outlives_the_yes_of_the_same_import(deployment, gate, tmp_path):
    audience = tmp_path / "audience.zip"
    with zipfile.ZipFile(audience, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in LISTS:
            if "members" in name:
                text = (SAMPLES / name).read_text()
                # Somebody who subscribed long ago, and unsubscribed, stands in both files of an old export.
                old = (
                    'ben.okafor@example.org,Ben,Okafor,4,"2025-03-01 10:15:00",,,,,,,,,,,"2025-03-01 10:20:11",1,a,,\n'
                )
                packed.writestr(f"export/{name}", text.replace("example", "zip.example") + (
                    old.replace("example", "zip.example") if name.startswith("subscribed") else ""))  # fmt: skip
    told = imported(deployment, audience, "mailchimp", "--scope", "news", *proof(), "--wait", WAIT)
    assert told["files"][0]["fates"] == {
        "bounced": 1, "skipped": 1, "subscribed": 2, "incomplete_proof": 1, "unsubscribed": 1, "complained": 1,
    }  # fmt: skip
    people = ["ana@zip.example.com", "ben.okafor@zip.example.org", "chloe@zip.example.net", "dan@zip.example.net"]
    ana, ben, chloe, dan = verdicts(gate, told["receipts"], people, "news")
    assert ana == ()
    assert ben == ("unsubscribed", "evidence_too_low")
    assert "complaint" in chloe
    assert "undeliverable" in dan


def crm(folder: Path, prefix: str, rows: int, status: str = "unsubscribed") -> Path:
    file = folder / f"{prefix}.csv"
    lines = [f"{prefix}{n}@example.com,{status},2025-03-01,news" for n in range(rows)]
    file.write_text("\n".join(["email,status,date,scope", *lines]))
    return file


def sent_ids(deployment: Deployment, batch: str) -> Counter[str]:
    values = [each.value for each in deployment.read(EVENTS) if each.value and batch.encode() in each.value]
    events = map(orjson.loads, values)
    return Counter(event["id"] for event in events if event["data"].get("batch") == batch)


def test_killed_in_mid_import_the_next_run_goes_on_and_nothing_is_lost(deployment, tmp_path):
    file = crm(tmp_path, "killed", ROWS)
    state = tmp_path / "killed.csv.import-state"
    arguments = ["import", str(file), "--format", "csv", "--tenant", "acme", "--batch", "killed", "--json"]

    def proven() -> int:
        return int(orjson.loads(state.read_bytes())["rows"]) if state.exists() else 0

    running = subprocess.Popen(
        command(deployment, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=deployment.environment()
    )
    try:
        await_that("some rows are proven", lambda: proven() > 0 or running.poll() is not None, 60)
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert running.returncode == -signal.SIGKILL, "it was through before it could be killed"
    begun = proven()
    assert 0 < begun < ROWS
    told = json.loads(run(deployment, *arguments).stdout)
    assert told["resumed_after"] == begun
    assert not state.exists()
    ids = sent_ids(deployment, "killed")
    assert len(ids) == ROWS
    assert max(ids.values()) <= 2


def test_sigterm_ends_it_between_two_rows_and_the_next_run_goes_on(deployment, tmp_path):
    file = crm(tmp_path, "stopped", ROWS)
    state = tmp_path / "stopped.csv.import-state"
    arguments = ["import", str(file), "--format", "csv", "--tenant", "acme", "--batch", "stopped", "--json"]
    running = subprocess.Popen(
        command(deployment, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=deployment.environment()
    )
    await_that("it publishes", lambda: state.exists() or running.poll() is not None, 60)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143, said
    assert b"the same command goes on" in said
    run(deployment, *arguments)
    ids = sent_ids(deployment, "stopped")
    assert len(ids) == ROWS
    assert set(ids.values()) == {1}, "what was proven is not sent again after a clean end"


def test_a_dry_run_tells_what_then_happens(deployment, gate, tmp_path):
    first = tmp_path / "before.csv"
    first.write_text(
        "email,status,date,scope\n"
        + "".join(f"dry{n}@example.com,subscribed,2025-01-01,news\n" for n in range(8))
        + "".join(f"dry{n}@example.com,unsubscribed,2025-02-01,news\n" for n in range(6, 8))
        + "dry9@example.com,complained,2025-02-01,\n"
    )
    imported(deployment, first, "csv", *proof(), "--wait", WAIT)
    second = tmp_path / "now.csv"
    second.write_text(
        "email,status,date,scope\n"
        "dry0@example.com,unsubscribed,2025-03-01,news\n"  # allowed, will be denied
        "DRY1@Example.com,bounced,2025-03-01,news\n"  # the same
        "dry1@example.com,complained,2025-03-01,news\n"  # one address, two rows
        "dry2@example.com,subscribed,2025-03-01,news\n"  # allowed, stays so
        "dry6@example.com,subscribed,2025-03-01,news\n"  # a no stands
        "dry7@example.com,unsubscribed,2025-03-01,news\n"  # denied already
        "dry9+tag@example.com,subscribed,2025-03-01,news\n"  # a no of the base form stands
        "dry10@example.com,subscribed,2025-03-01,news\n"  # new
        "dry11@example.com,subscribed,,news\n"  # no proof
        "dry12@example.com,subscribed,2031-01-01,news\n"  # quarantined
        "dry13@example.com,unsubscribed,2025-03-01,news\n"  # never heard of, denied for want of consent
    )
    people = sorted({line.split(",")[0].lower() for line in second.read_text().splitlines()[1:]})
    before = verdicts(gate, {}, people, "news")
    ends = deployment.ends(EVENTS)
    told = imported(deployment, second, "csv", *proof(), "--dry-run")["difference"]
    assert deployment.ends(EVENTS) == ends, "a dry run publishes nothing"
    after = verdicts(gate, imported(deployment, second, "csv", *proof())["receipts"], people, "news")
    pairs = list(zip(before, after, strict=True))
    assert told["addresses"] == len(people) == 10
    assert told["newly_denied"] == sum(not was and bool(now) for was, now in pairs) == 2
    assert told["newly_allowed"] == sum(bool(was) and not now for was, now in pairs) == 1
    assert told["still_allowed"] == sum(not was and not now for was, now in pairs) == 1
    assert told["already_denied"] + told["still_denied"] == sum(bool(was) and bool(now) for was, now in pairs) == 6
    assert told["still_denied"] == 4
    reasons: Counter[str] = Counter()
    for address, now in zip(people, after, strict=True):
        if now and address.split("@")[0] in ("dry6", "dry9+tag", "dry11", "dry12"):
            reasons.update(now)
    assert told["reasons"] == dict(reasons)
    assert told["quarantined"] == {"future_time": 1}
    assert any(b"dry12@" in (each.value or b"") for each in deployment.read(QUARANTINE))


def test_a_batch_is_voided_as_one_and_no_other(deployment, gate, tmp_path):
    bad, good = crm(tmp_path, "bad", 30, "subscribed"), crm(tmp_path, "good", 5, "subscribed")
    imported(deployment, bad, "csv", *proof(), "--batch", "bad-file")
    told = imported(deployment, good, "csv", *proof(), "--batch", "good-file", "--wait", WAIT)
    people = [f"bad{n}@example.com" for n in range(30)] + [f"good{n}@example.com" for n in range(5)]
    assert verdicts(gate, told["receipts"], people, "news") == [()] * 35
    asked = run(deployment, "void-batch", "bad-file", "--tenant", "acme", "--dry-run").stdout
    assert asked.startswith("30 keys have a permission of batch bad-file")
    assert verdicts(gate, {}, people, "news") == [()] * 35
    assert run(deployment, "void-batch", "bad-file", "--tenant", "other").stdout.endswith("under 0 keys\n")
    said = run(deployment, "void-batch", "bad-file", "--tenant", "acme").stdout
    assert said == "batch bad-file is void under 30 keys\n"
    ends = {str(partition): end - 1 for partition, end in deployment.ends(EVENTS).items() if end}
    assert verdicts(gate, ends, people, "news") == [("no_consent",)] * 30 + [()] * 5
    # For good: the same file again permits nothing.
    again = imported(deployment, bad, "csv", *proof(), "--batch", "bad-file")
    assert verdicts(gate, again["receipts"], people[:30], "news") == [("no_consent",)] * 30


def test_importing_the_same_file_again_makes_the_same_events(deployment, tmp_path):
    file = crm(tmp_path, "again", 10)
    batch = imported(deployment, file, "csv")["files"][0]["batch"]
    imported(deployment, file, "csv")
    assert sorted(sent_ids(deployment, batch).values()) == [2] * 10
