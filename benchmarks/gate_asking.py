"""The mailer of P5, a process of its own: makes a gate, asks, and prints one line of JSON a lap."""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.gate_input import SCOPE
from benchmarks.population import TENANTS, Person
from consent_stream import Gate
from consent_stream.keyfile import load_keys
from consent_stream.wire.keys import Keyring

READY_SECONDS = 180
UNKNOWN = 10  # one question in so many is about an address that is not on the list
PART = 256  # questions of one call: answers kept by the thousand would cost collections of garbage
Question = dict[str, Any]


def numbers(entries: int, questions: int, lap: int) -> list[int]:
    """Whom a lap asks about, in this order: anyone, so that a memory of recent ones helps little."""
    rng = random.Random(lap)
    return [rng.randrange(entries) + (entries if rng.randrange(UNKNOWN) == 0 else 0) for _ in range(questions)]


def digest(reasons: Iterable[tuple[str, ...]]) -> str:
    """One figure for all answers in their order."""
    total = hashlib.sha256()
    for each in reasons:
        total.update((",".join(each) + ";").encode())
    return total.hexdigest()[:32]


def main() -> None:
    """Arguments: JSON with `gate` (arguments of `Gate`), `entries`, `questions`, `laps`."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    root = load_keys(Path(asked["gate"].pop("keys")))
    ring = Keyring(root.keys, root.current)
    began = time.monotonic()
    with Gate(keys=ring, **asked["gate"]) as gate:
        if not gate.wait_ready(READY_SECONDS):
            sys.exit(f"not ready: {gate.status().trouble}")
        print(json.dumps({"ready": time.monotonic() - began}), flush=True)
        for lap in range(asked["laps"] + 1):  # the first one is no lap: it warms up
            whom = numbers(asked["entries"], asked["questions"], lap)
            print(json.dumps(_lap(gate, ring, whom)), flush=True)


def _lap(gate: Gate, ring: Keyring, whom: list[int]) -> dict[str, Any]:
    people = [Person(n) for n in whom]
    by_email = [{"tenant": each.tenant, "email": each.email, "scope": SCOPE} for each in people]
    keys = (ring.under(ring.current, each.tenant, "email", each.email).hex() for each in people)
    by_key = [{"tenant": each.tenant, "key": key, "scope": SCOPE} for each, key in zip(people, keys, strict=True)]
    found = {"email": _single(gate.check, by_email), "key": _single(gate.check, by_key)}
    # Both over addresses that the questions by key have driven out of what the gate remembers, as new ones are.
    check: Callable[..., Any] = gate.check
    began = time.perf_counter()
    single = [check(**asked).reasons for asked in by_email]
    found["one_by_one"] = {"mean": (time.perf_counter() - began) / len(whom) * 1e6, "digest": digest(single)}
    for asked in by_key:
        check(**asked)
    began = time.perf_counter()
    many = [
        verdict.reasons for at in range(0, len(whom), PART) for verdict in gate.check_many(by_email[at : at + PART])
    ]
    found["many"] = {"mean": (time.perf_counter() - began) / len(whom) * 1e6, "digest": digest(many)}
    tenants = [[place for place, n in enumerate(whom) if n % TENANTS == tenant] for tenant in range(TENANTS)]
    sifted: list[tuple[str, ...]] = [()] * len(whom)
    began = time.perf_counter()
    for tenant, places in enumerate(tenants):
        emails = [people[place].email for place in places]
        for place, reasons in zip(
            places, gate.sift(tenant=f"t{tenant}", emails=emails, scope=SCOPE).reasons, strict=True
        ):
            sifted[place] = reasons
    found["sift"] = {"mean": (time.perf_counter() - began) / len(whom) * 1e6, "digest": digest(sifted)}
    return found


def _single(check: Callable[..., Any], questions: list[Question]) -> dict[str, Any]:
    """Each question under the clock. Units: microseconds."""
    clock, took, reasons = time.perf_counter_ns, [], []
    for each in questions:
        began = clock()
        verdict = check(**each)
        took.append(clock() - began)
        reasons.append(verdict.reasons)
    cuts = quantiles(took, n=100)
    return {"p50": cuts[49] / 1e3, "p99": cuts[98] / 1e3, "digest": digest(reasons)}


if __name__ == "__main__":
    main()
