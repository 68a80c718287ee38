"""Whatever a sender writes: the worker lives, in bounded memory, others' events arrive, and no record disappears."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from consent_stream.wire.topics import EVENTS, QUARANTINE, SUPPRESSION
from tests.engine import rawbatch
from tests.faults.deployment import KEYS, Deployment, Found, Worker
from tests.hostile.bombs import GZIP, LZ4, ZSTD, bomb

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
PEAK = 800  # MiB: 192 were measured with the bombs, 319 with the odd records, and 87 at rest


def withdrawal(address: str) -> bytes:
    event = {
        "specversion": "1.0", "id": f"w-{address}", "source": "/edge", "type": "consent.withdrawn.v1",
        "time": "2026-03-10T12:00:00Z", "tenant": "acme", "data": {"email": address, "channel": "email"},
    }  # fmt: skip
    return json.dumps(event).encode()


def memory(worker: Worker) -> tuple[int, int]:
    """(now, peak) resident MiB of the worker itself, which `leashed` may have started."""
    assert worker._process is not None
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines())
    return int(found["VmRSS"].split()[0]) >> 10, int(found["VmHWM"].split()[0]) >> 10


def quarantined(deployment: Deployment, code: str) -> list[Found]:
    return [each for each in deployment.read(QUARANTINE) if dict(each.headers)["consent-error-code"] == code.encode()]


def listed(deployment: Deployment, addresses: list[str]) -> set[str]:
    there = {each.key for each in deployment.read(SUPPRESSION["email"])}
    return {address for address in addresses if KEYS.subject("acme", "email", address) in there}


def test_bombs_in_partitions_between_withdrawals(deployment: Deployment) -> None:
    """Of 100 to 500 MiB, unpacked; the address behind each, in the same partition, is on the list in seconds."""
    worker = deployment.worker("w1").start().await_ready()
    rest, _ = memory(worker)
    bombs = {codec: bomb(codec, zeros, b"{}") for codec, zeros in ((GZIP, 100), (LZ4, 100), (ZSTD, 500))}
    topic, addresses = EVENTS.full(deployment.prefix), []
    for partition in range(0, EVENTS.partitions, 4):
        for codec in bombs:
            rawbatch.produce(deployment.settings.bootstrap, topic, partition, bombs[codec])
            addresses.append(f"behind-{partition}-{codec}@example.com")
            deployment.produce([withdrawal(addresses[-1])], partition)
    began = time.monotonic()
    deployment.await_settled(60)
    took = time.monotonic() - began
    now, peak = memory(worker)
    print(f"{len(addresses)} bombs: {took:.1f} s; RSS at rest {rest}, after {now}, peak {peak} MiB")
    assert listed(deployment, addresses) == set(addresses)
    kept = quarantined(deployment, "too_large")
    assert len(kept) == len(addresses)
    # A broker puts offsets and the append time into what it keeps: behind these it is what was sent.
    assert {each.value[61:] for each in kept if each.value} == {raw[61:] for raw in bombs.values()}
    assert peak < PEAK
    assert worker.stop() == 0


NESTED = b"[" * 100_000 + b"]" * 100_000
ODD = [
    None, b"", b"\0", b"null", b"[]", b"[null]", b"{}", b"NaN", b"1e999", b"-" + b"9" * 200_000, NESTED,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b"\xff" * 1000, b'"\\ud800"', b'{"\\ud800":"\\udfff"}',
    b'{"tenant":"acme","tenant":"globex","type":"consent.withdrawn.v1","data":{"email":"x@example.com"}}',
    b"[" + b",".join([b"null"] * 1000) + b"]", b"[" + b",".join([b"{}"] * 100_000) + b"]", b"\xc3\x01" + b"\x80" * 999,
    b" " * (256 << 10), b"\xef\xbb\xbf" * 3, b'{"data":' + b"9" * 100_000 + b"}",
]  # fmt: skip


def test_records_that_are_nothing_in_every_size(deployment: Deployment) -> None:
    """Values, keys and header sets that no honest sender writes, with withdrawals between them."""
    worker = deployment.worker("w1").start().await_ready()
    producer = Producer(deployment.settings.producer(**{"message.max.bytes": 40 << 20, "compression.type": "zstd"}))
    topic, addresses, count = EVENTS.full(deployment.prefix), [], 0
    headers = [("h" * n, b"x" * n) for n in (0, 1, 100)] * 3_000
    big = [("x", bytes(10 << 20))]
    for number, value in enumerate(ODD):
        for key, attached in ((None, []), (b"", [("", None)]), (b"k" * 100_000, headers), (b"\xff" * 19, big)):
            producer.produce(topic, value, key, headers=attached, partition=number % EVENTS.partitions)
            count += 1
        addresses.append(f"after-{number}@example.com")
        producer.produce(topic, withdrawal(addresses[-1]), partition=number % EVENTS.partitions)
        assert producer.flush(30) == 0
    began = time.monotonic()
    deployment.await_settled(60)
    now, peak = memory(worker)
    print(f"{count} odd records: {time.monotonic() - began:.1f} s; RSS after {now}, peak {peak} MiB")
    assert listed(deployment, addresses) == set(addresses)
    assert len(deployment.read(QUARANTINE)) >= count - 4  # one of the values is a withdrawal, after all
    assert peak < PEAK
    assert worker.stop() == 0


def people_that_look_alike() -> list[str]:
    """Different addresses, whatever they look like: beyond UTS-46 and NFKC nothing is merged."""
    return [
        "ana@example.com", "\u0430na@example.com", "ana@ex\u0430mple.com", "ana@examp1e.com", "an\u0430@example.com",
        "a.na@example.com", "ana+x@example.com", "ana\u202e@example.com", "\u00e0na@example.com",
        "\u03b1na@example.com", "ana@example.net",
    ]  # fmt: skip


def test_an_address_that_looks_like_another_is_another() -> None:
    keys = {KEYS.subject("acme", "email", address) for address in people_that_look_alike()}
    assert len(keys) == len(people_that_look_alike())
