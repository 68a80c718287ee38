"""A mailer in Java with the plain Kafka client reads a list as we do."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from consent_stream.dev.jars import java, kafka_jars
from consent_stream.domain.nodes import covers, node
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.suppression import Entry, decode_entry
from consent_stream.wire.topics import SUPPRESSION
from tests.faults.deployment import deployed
from tests.faults.population import POLICY, events

READER = Path(__file__).parent / "java" / "SuppressionReader.java"
SCOPE = "news/weekly"


def line(key: bytes, entry: Entry, now: int) -> str:
    """What the reader must print: the contract, read out of what Python decodes."""
    current = [grant for grant in entry.registers.grants if now < grant.valid_until]
    blocked = any(each == SCOPE or SCOPE.startswith(each + "/") for each in entry.blocked_scopes)
    covered = any(covers(grant.node, node("marketing", "email", SCOPE)) for grant in current)
    may = entry.status != "SUPPRESSED" and now >= entry.minor_until and not blocked and covered
    told = [
        key.hex(), str(entry.generation), str(entry.version), entry.status, ",".join(entry.reasons),
        ",".join(entry.blocked_scopes), ",".join(sorted(f"{grant.node}@{grant.valid_until}" for grant in current)),
        str(entry.minor_until), f"{entry.cause_id}@{entry.cause_partition}:{entry.cause_offset}", str(may).lower(),
    ]  # fmt: skip
    return "\t".join(told)


@pytest.mark.kafka
def test_a_java_consumer_reads_what_we_wrote(kafka: str, tmp_path: Path, prefix: str) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        deployment.produce(events(4_000, 400, people=700))
        worker = deployment.worker("w1").start().await_ready()
        deployment.await_settled()
        assert worker.stop() == 0
        now = time.time_ns() // 1000
        latest: dict[bytes, Entry] = {}
        for each in deployment.read(SUPPRESSION["email"]):
            if each.key != HEARTBEAT_KEY:
                assert each.key is not None
                latest[each.key] = decode_entry(each.value or b"")
        command = [java(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{kafka_jars()}/*", str(READER)]
        ran = subprocess.run(
            [*command, kafka, SUPPRESSION["email"].full(prefix), str(now), SCOPE],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = [each for each in ran.stdout.splitlines() if "\t" in each]
    assert told == [line(key, latest[key], now) for key in sorted(latest)]
    assert len(told) > 600
    for status in ("SUPPRESSED", "PARTIAL", "CLEAR"):
        assert any(f"\t{status}\t" in each for each in told)
    assert {each.rsplit("\t", 1)[1] for each in told} == {"true", "false"}
