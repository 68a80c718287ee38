"""P6: what it costs to clean a list. `python -m benchmarks.scrub --entries 1000000 --addresses 1000000`.

The store is written by the follower's own replica, without Kafka; the list is cleaned by a process of its own, through
the CSV reader, `sift` on LMDB and the outputs of the command. One address in four is not on the list. Rates are by the
processor time of that process. Exit 1 when a row went elsewhere than the rules say.
"""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.gate_input import GRANTED, SCOPE, WITHDRAWN, Template, templates
from benchmarks.lap_timing import LapFailed
from consent_stream.gate.checker import Checker, Clock
from consent_stream.gate.lmdb_replica import LmdbReplica
from consent_stream.gate.reading import Reading, Record
from consent_stream.gate.replica import Origin
from consent_stream.gate.scrub.csvlist import CsvList
from consent_stream.gate.scrub.csvrows import Columns, CsvRows
from consent_stream.gate.scrub.outputs import Digest, Draft
from consent_stream.gate.scrub.running import scrub
from consent_stream.gate.scrub.tally import Tally
from consent_stream.gate.sift import sift
from consent_stream.wire.control import Partitions, encode_partitions, encode_policy
from consent_stream.wire.keys import HEARTBEAT_KEY, Keyring
from consent_stream.wire.vector import Heartbeat, Point, encode_heartbeat

P6 = """\
A CSV file of {addresses:,} addresses, three of four on the list, cleaned against {entries:,} entries in LMDB by a
process of its own: CSV reader, `sift`, outputs with their digests; without the start of the command. Every kept row was
compared with the rules.
"""

TENANT, RING = "t0", Keyring({0: bytes(32)})
ORIGIN = Origin("bench", "suppression.email", "bench", 1)
BATCH = 50_000
LIMIT = 3600.0  # seconds; nobody writes heartbeats here


@click.command()
@click.option("--entries", default=1_000_000, show_default=True)
@click.option("--addresses", default=1_000_000, show_default=True)
def main(entries: int, addresses: int) -> int:
    """Build the store, clean the list, compare."""
    told = lap(entries, addresses)
    click.echo(json.dumps(told))
    return 0 if told["right"] else 1


def lap(entries: int, addresses: int) -> dict[str, Any]:
    """One list cleaned against a store: rates, memory, and whether every row went where the rules say (`right`)."""
    made = templates(time.time_ns() // 1000)[0]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        _fill(scratch / "store", entries, made)
        wanted = hashlib.sha256(b"email,name,n\n")
        with (scratch / "in.csv").open("wb") as file:
            file.write(b"email,name,n\n")
            for n in whom(addresses, entries):
                row = f"{address(n)},Some Name,{n}\n".encode()
                file.write(row)
                if n < entries and not made[n % len(made)].reasons:
                    wanted.update(row)
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.scrub", "--clean", name], stdout=subprocess.PIPE, text=True, check=True
        )
        told: dict[str, Any] = json.loads(ran.stdout)
    return told | {"entries": entries, "right": told["sha256"] == wanted.hexdigest()}


def scrub_section(laps: Sequence[dict[str, Any]]) -> str:
    """The section of P6. Errors: LapFailed when a row went elsewhere than the rules say."""
    if not all(each["right"] for each in laps):
        raise LapFailed("P6: a row went elsewhere than the rules say")
    rates = [each["per_cpu_second"] for each in laps]
    lines = ["## P6: scrub", "", P6.format(addresses=laps[0]["addresses"], entries=laps[0]["entries"])]
    lines += [
        "| laps | addresses a CPU-second min | median | max | a second of the clock | peak RSS MiB | not file pages |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    lines.append(
        f"| {len(laps)} | {min(rates):,} | **{median(rates):,.0f}** | {max(rates):,} "
        f"| {median(each['per_second'] for each in laps):,.0f} | {max(each['peak_rss_mib'] for each in laps):,} "
        f"| {max(each['anonymous_mib'] for each in laps):,} |"
    )
    return "\n".join([*lines, "", "Aim: ≥ 150,000 addresses a second and core, RSS ≤ 300 MiB, at 10 M entries."]) + "\n"


def whom(addresses: int, entries: int) -> Iterator[int]:
    """Numbers of the addresses of the list, spread over the entries; from `entries` on they are nobody's."""
    for place in range(addresses):
        n = place * 2_654_435_761 % entries
        yield n + entries if place % 4 == 3 else n


def address(n: int) -> str:
    return f"person{n}@{('example.com', 'example.org', 'example.net', 'mail.example')[n % 4]}"


def _fill(store: Path, entries: int, made: list[Template]) -> None:
    replica = LmdbReplica(store)
    reading = Reading(replica)
    reading.begin(ORIGIN)
    pairs = _rows(entries, made)
    while batch := list(islice(pairs, BATCH)):
        reading.take([Record(0, 0, key, row) for key, row in batch], 0, 0)
    reading.close()
    replica.close()


def _rows(entries: int, made: list[Template]) -> Iterator[tuple[bytes, bytes]]:
    for n in range(entries):
        own = hashlib.blake2b(n.to_bytes(8, "big"), digest_size=36).hexdigest().encode()
        row = made[n % len(made)].row.replace(str(GRANTED).encode(), own[:36])
        yield RING.under(0, TENANT, "email", address(n)), row.replace(str(WITHDRAWN).encode(), own[36:])


def _clean(scratch: Path) -> None:
    """The process that is measured."""
    clock, replica = Clock(), LmdbReplica(scratch / "store")
    reading = Reading(replica, None, clock)
    reading.begin(ORIGIN)
    reading.take_control(
        Record(0, number, *each)
        for number, each in enumerate((encode_policy({TENANT: {}}), encode_partitions(Partitions(1, 1))))
    )
    reading.control_proven(clock.steady())
    reading.caught_up()
    now, points = clock.wall(), {0: Point(1, clock.wall())}
    beat = encode_heartbeat(Heartbeat(0, 0, 1, now, points, points))
    reading.take([Record(0, 0, HEARTBEAT_KEY, beat)], now, clock.steady())
    checker, tally = Checker("email", reading, RING, LIMIT, clock), Tally()
    drafts = [Draft(scratch / name) for name in ("out.csv", "removed.csv")]
    began, used = time.monotonic(), time.process_time()
    with (scratch / "in.csv").open("rb") as file:
        rows = CsvRows(Digest(file), ",")  # type: ignore[arg-type]
        scrub(
            CsvList(rows, Columns(3, 0, None), ",", *drafts),
            lambda addresses, contacts: sift(checker, TENANT, addresses, None, contacts, None, "marketing", SCOPE),
            tally,
            lambda: True,
            lambda: 0,
            lambda size, more: None,
        )
        counts = tally.told()
    for draft in drafts:
        draft.finish()
    seconds, used = time.monotonic() - began, time.process_time() - used
    total = tally.kept + tally.removed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"addresses": total, "per_cpu_second": round(total / used), "per_second": round(total / seconds)}
    memory = {"peak_rss_mib": round(peak), "anonymous_mib": round(_anonymous())}
    print(json.dumps({**told, **memory, "reasons": counts["reasons"], **drafts[0].told()}))
    for draft in drafts:
        draft.discard()


def _anonymous() -> float:
    """MiB of memory that are not pages of a file, at the end."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--clean"]:
        _clean(Path(sys.argv[2]))
    else:
        sys.exit(main.main(standalone_mode=False))
