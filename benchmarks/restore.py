"""P3: a worker with an empty disk gets its state back from `consent.state`."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from confluent_kafka import Producer
from rocksdict import AccessType, Options, Rdict

from benchmarks.deployment import Deployment
from benchmarks.environments import say
from benchmarks.lap_timing import LapFailed, Rider
from consent_stream.wire.topics import STATE

READY_SECONDS = 600
RESTORED = re.compile(r"restored \S+: (\d+) records in ([\d.]+) s")


@dataclass(frozen=True, slots=True)
class RestoreLap:
    """`ready` and `ready_empty`: seconds from the start of the process to `ready`, with all keys and with none.
    `engine`: seconds the engine itself says it read, opening of the stores included."""

    keys: int
    ready: float
    ready_empty: float
    engine: float
    peak_mib: float

    @property
    def rate(self) -> float:
        """Keys per second that the restore added to the start."""
        return self.keys / max(self.ready - self.ready_empty, 0.001)


def restore(bootstrap: str, scratch: Path, rows: Iterable[bytes], *, keys: int, repeats: int) -> list[RestoreLap]:
    """`repeats` starts on an empty disk. `rows`: values as a real run left them; each stands under many keys.

    Errors: LapFailed when the stores do not hold what the topic holds, row for row, or the worker breaks.
    """
    deployment = Deployment(bootstrap, scratch / "restore", "p3-")
    deployment.make_topics()
    empty = [_start(deployment, scratch)[0] for _ in range(repeats)]
    deployment.forget()
    deployment.make_topics()
    say(f"P3: writing {keys:,} rows …")
    wanted = _fill(deployment, rows, keys)
    results = []
    for lap in range(repeats):
        ready, rider, log, found = _start(deployment, scratch)
        if found != wanted:
            raise LapFailed(f"P3: the stores hold {found[0]:,} rows, not the {wanted[0]:,} of the topic, or other ones")
        told = RESTORED.search(log)
        if told is None or int(told.group(1)) < keys:
            raise LapFailed(f"P3: the worker did not say that it restored {keys:,} records\n{rider.last_lines()}")
        results.append(RestoreLap(keys, ready, sorted(empty)[repeats // 2], float(told.group(2)), _peak(rider)))
        say(f"P3: lap {lap + 1}/{repeats}: {results[-1].rate:,.0f} keys/s")
    return results


def _fill(deployment: Deployment, rows: Iterable[bytes], keys: int) -> tuple[int, int]:
    """Write one row a key; returns what `_contents` must find in the stores."""
    producer = Producer(deployment.settings.producer(**{"compression.type": "lz4", "linger.ms": 20}))
    topic, total = STATE.full(deployment.prefix), 0
    for number, row in zip(range(keys), cycle(rows), strict=False):
        key = b"\x01a\x00" + hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
        total ^= _row_hash(key, row)
        while True:
            try:
                producer.produce(topic, row, key)
                break
            except BufferError:
                producer.poll(0.1)
    if left := producer.flush(120):
        raise RuntimeError(f"{left} rows are unproven")
    return keys, total


def _start(deployment: Deployment, scratch: Path) -> tuple[float, Rider, str, tuple[int, int]]:
    """Start on an empty disk, wait for `ready`, stop: (seconds to ready, the process, its log, its rows)."""
    data_dir, log = scratch / "restore-data", scratch / "restore.log"
    began = time.time()
    rider = deployment.start_worker(log, data_dir)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while rider.first is None:
            rider.check()
            if time.monotonic() > deadline:
                raise LapFailed(f"P3: not ready after {READY_SECONDS} s\n{rider.last_lines()}")
            time.sleep(0.005)
        ready = rider.first[0] - began
        code = rider.stop()
        if code != 0:
            raise LapFailed(f"P3: the worker ended with {code} after SIGTERM\n{rider.last_lines()}")
        return ready, rider, log.read_text(), _contents(data_dir)
    finally:
        rider.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


def _contents(data_dir: Path) -> tuple[int, int]:
    """(rows, hash of the set of rows) over all stores below `data_dir`."""
    count = total = 0
    for marker in data_dir.rglob("CURRENT"):
        store = Rdict(str(marker.parent), Options(raw_mode=True), access_type=AccessType.read_only())
        for key, row in store.items():
            if not key.startswith(b"\x00"):  # the store's own coordinates
                count, total = count + 1, total ^ _row_hash(key, row)
        store.close()
    return count, total


def _row_hash(key: bytes, row: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(key + row, digest_size=16).digest(), "big")


def _peak(rider: Rider) -> float:
    return rider.first[1].peak_mib if rider.first else 0.0
