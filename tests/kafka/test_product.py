"""The product as its users run it: `publish` and `worker` as processes on a real Kafka, and what is in the topics."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.records import MAX_VALUE
from consent_stream.wire.suppression import Entry, decode_entry
from consent_stream.wire.topics import CHANGES, CONTROL, EVENTS, LEDGER, QUARANTINE, STATE, SUPPRESSION
from consent_stream.wire.vector import decode_heartbeat
from tests.faults.deployment import KEYS, Deployment, Found, Worker, deployed
from tests.faults.population import POLICY

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def deployment(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, tmp_path_factory.mktemp("product"), "product-", POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Worker:
    return deployment.worker("w1").start().await_ready()


def event(kind: str, ident: str, email: str, **data: Any) -> bytes:
    return orjson.dumps({
        "specversion": "1.0", "id": ident, "source": "/forms", "type": f"org.example.{kind}.v1", "tenant": "t1",
        "time": "2026-03-01T12:00:00Z", "data": {"email": email, "channel": "email", **data},
    })  # fmt: skip


def granted(ident: str, email: str) -> bytes:
    notice = {"id": "n1", "version": 3}
    return event("consent.granted", ident, email, scope="news", notice=notice, evidence="E3")


def publish(deployment: Deployment, *lines: bytes) -> list[tuple[int, int]]:
    """Through `consent-stream publish -`; the receipts."""
    ran = subprocess.run(
        [sys.executable, "-m", "consent_stream", "publish", "-", "--json"],
        input=b"\n".join(lines), capture_output=True, env=deployment.environment(), timeout=30, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    receipts = [orjson.loads(line) for line in ran.stdout.splitlines()]
    return [(each["partition"], each["offset"]) for each in receipts]


def entry_of(deployment: Deployment, email: str, channel: str = "email") -> Entry:
    key = KEYS.subject("t1", "email", email)
    values = [each.value for each in deployment.read(SUPPRESSION[channel]) if each.key == key]
    assert values, "not on the list"
    return decode_entry(values[-1])


def quarantined(deployment: Deployment, place: tuple[int, int]) -> tuple[bytes | None, bytes | None, dict[str, bytes]]:
    """Key, value and headers of what stands in quarantine for a place in `consent.events`."""
    wanted = str(place[0]).encode(), str(place[1]).encode()
    found = [(each, dict(each.headers)) for each in deployment.read(QUARANTINE)]
    (there,) = (
        (each, headers)
        for each, headers in found
        if (headers["consent-error-partition"], headers["consent-error-offset"]) == wanted
    )
    return there[0].key, there[0].value, there[1]


def test_events_become_lists_changes_state_and_ledger(deployment: Deployment, worker: Worker) -> None:
    places = publish(
        deployment, granted("g1", "ana@example.com"), event("unsubscribe.oneclick", "u1", "ben@example.com")
    )
    assert len(places) == 2
    deployment.await_settled()
    ana, ben = entry_of(deployment, "ana@example.com"), entry_of(deployment, "ben@example.com")
    assert (ana.status, ana.cause_id, len(ana.registers.grants)) == ("CLEAR", "g1", 1)
    assert (ben.status, ben.reasons, ben.cause_id) == ("SUPPRESSED", ("unsubscribed",), "u1")
    for topic in (STATE, LEDGER, CHANGES):
        assert KEYS.subject("t1", "email", "ben@example.com") in {each.key for each in deployment.read(topic)}


def test_nothing_but_the_events_holds_a_plain_address(deployment: Deployment, worker: Worker) -> None:
    publish(
        deployment, granted("g2", "dora@example.org"), event("objection.direct_marketing", "o2", "dora@example.org")
    )
    deployment.await_settled()
    assert any(b"dora@example.org" in (each.value or b"") for each in deployment.read(EVENTS))
    for topic in (STATE, LEDGER, CHANGES, *SUPPRESSION.values()):
        for each in deployment.read(topic):
            whole = (each.key or b"") + (each.value or b"") + repr(each.headers).encode()
            assert b"dora" not in whole.lower()
            assert b"example.org" not in whole.lower()
    assert "dora" not in worker.log.lower()


def test_every_partition_of_every_list_has_a_heartbeat(deployment: Deployment, worker: Worker) -> None:
    deployment.await_settled()
    partitions = set(deployment.ends(EVENTS))
    for topic in SUPPRESSION.values():
        beats: dict[int, Found] = {each.partition: each for each in deployment.read(topic) if each.key == HEARTBEAT_KEY}
        assert beats.keys() == set(deployment.ends(topic))
        for q, found in beats.items():
            beat = decode_heartbeat(found.value or b"")
            assert (beat.partition, beat.partitions) == (q, len(partitions))
            assert beat.applied.keys() == beat.settled.keys() == partitions
            assert time.time() - min(point.through for point in beat.settled.values()) / 1e6 < 30


def test_gates_are_told_the_partition_counts_and_the_tenants_choices(deployment: Deployment, worker: Worker) -> None:
    told = {each.key: orjson.loads(each.value or b"") for each in deployment.read(CONTROL)}
    assert told[b"partitions"] == {"events": 8, "ledger": 8}
    assert told[b"policy"]["tenants"]["t1"]["sms_program"] == "alerts"


BAD = {
    "not JSON": (b"unsubscribe me please", "not_cloudevent"),
    "not UTF-8": (b'{"id":"\xff"}', "not_cloudevent"),
    "not a CloudEvent": (b'{"hello":"world"}', "not_cloudevent"),
    "unknown type": (event("weather.changed", "b1", "eve@example.com"), "unknown_type"),
    "no subject": (event("consent.withdrawn", "b2", ""), "no_subject"),
    "no tenant": (event("consent.withdrawn", "b3", "eve@example.com").replace(b'"t1"', b"null"), "no_tenant"),
    "a time before mail": (granted("b4", "eve@example.com").replace(b"2026", b"0001"), "no_time"),
    "a time to come": (granted("b5", "eve@example.com").replace(b"2026", b"9026"), "future_time"),
    "a megabyte": (b'{"specversion":"1.0","pad":"' + b"x" * (1 << 20) + b'"}', "too_large"),
    "all that is accepted": (b"\0" * (2_000_000), "too_large"),
    "one byte too large": (b"x" * (MAX_VALUE + 1), "too_large"),
    "null": (None, "not_cloudevent"),
    "empty": (b"", "not_cloudevent"),
    "no address": (granted("b6", "eve at example"), "bad_address"),
    "deep objects": (b'{"data":' * 20_000, "not_cloudevent"),
    "deep arrays": (b"[" * 100_000, "not_cloudevent"),
    "Avro of nobody": (b"\xc3\x01" + bytes(100), "not_cloudevent"),
}


def test_bad_input_is_quarantined_byte_for_byte_and_the_next_record_goes_on(
    deployment: Deployment, worker: Worker
) -> None:
    partition, emails, values = 3, [], []
    for number, (value, _) in enumerate(BAD.values()):
        emails.append(f"next{number}@example.com")
        values += [value, event("unsubscribe.oneclick", f"n{number}", emails[-1])]
    places = deployment.produce(values, partition)
    deployment.await_settled()
    for (name, (value, code)), place in zip(BAD.items(), places[::2], strict=True):
        key, kept, headers = quarantined(deployment, place)
        assert (kept, headers["consent-error-code"], key) == (value, code.encode(), None), name
        assert headers["consent-error-stage"] == b"intake"
        assert b"example.com" not in b"".join(headers.values())
    for email in emails:
        assert entry_of(deployment, email).status == "SUPPRESSED"
    assert worker.running
    assert worker.log.count("too_large") == 3, "an operator is told of what may be a withdrawal"


def test_poison_between_two_unsubscribes_changes_nothing_for_them(deployment: Deployment, worker: Worker) -> None:
    poison = b'{"specversion":"1.0","type":"unsubscribe.oneclick.v1","tenant":"t1","data":{"email":"finn@\xc3\x28'
    values = [event("unsubscribe.oneclick", f"p{n}", f"finn{n}@example.com") for n in (1, 2)]
    _, place, _ = deployment.produce([values[0], poison, values[1]], 5)
    deployment.await_settled()
    for n in (1, 2):
        entry = entry_of(deployment, f"finn{n}@example.com")
        assert (entry.status, entry.cause_id) == ("SUPPRESSED", f"p{n}")
    assert quarantined(deployment, place)[1] == poison


def test_what_one_event_says_at_length_never_stops_the_worker(deployment: Deployment, worker: Worker) -> None:
    """An event's grants each repeat what it names, and registers keep them: all must stay below a record's limit."""
    told = {"notice": {"id": "n1", "version": 3}, "evidence": "E3"}
    few, many = ([f"marketing:email:{n:03d}" + "/x" * 120 for n in range(count)] for count in (32, 250))
    topics = {f"{n:03d}": True for n in range(900)}
    refused = event("preference.set", "p1", "gus@example.com", topics=topics, names=many, **told)
    kept = event("preference.set", "p2", "gus@example.com", topics=topics, names=few, **told)
    grants = [
        event("consent.granted", f"{n}" + "j" * 200, "hal@example.com", scope=f"{n}", names=few, **told)
        for n in range(150)
    ]
    ids = event("preference.set", "i" * 60_000, "jan@example.com", topics=dict.fromkeys(topics, False))
    places = deployment.produce([refused, kept, ids, *grants, event("unsubscribe.link", "last", "ida@example.com")], 1)
    deployment.await_settled()
    assert entry_of(deployment, "ida@example.com").status == "SUPPRESSED"
    assert quarantined(deployment, places[0])[2]["consent-error-code"] == b"bad_value"
    assert max(len(each.value or b"") for each in deployment.read(STATE)) > 1_048_588, "beyond a topic's default"
    assert worker.running


def test_sigterm_ends_it_in_seconds_and_a_new_start_goes_on(deployment: Deployment, worker: Worker) -> None:
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 5
    publish(deployment, event("unsubscribe.global", "away", "jo@example.com"))
    before = {topic: deployment.ends(topic) for topic in (LEDGER, QUARANTINE)}
    worker.start().await_ready()
    deployment.await_settled()
    assert entry_of(deployment, "jo@example.com").reasons == ("global_opt_out",)
    assert deployment.ends(QUARANTINE) == before[QUARANTINE], "nothing is taken in twice after a clean stop"
    assert sum(deployment.ends(LEDGER).values()) - sum(before[LEDGER].values()) == 1
