"""The gate of P4, a process of its own: `allow WHO` and `deny WHO` on standard input, instants on standard output."""

from __future__ import annotations

import json
import sys
import time

from benchmarks.latency import ENFORCED_SECONDS, READY_SECONDS, TENANT
from consent_stream import Gate

LOOK_EVERY = 0.0005  # seconds; a gate that spins would take a core from the worker


def main() -> None:
    """Answer until standard input ends."""
    with Gate(**json.loads(sys.argv[1])) as gate:
        print("ready" if gate.wait_ready(READY_SECONDS) else "not ready", flush=True)
        for line in sys.stdin:
            wanted, _, person = line.strip().partition(" ")
            if wanted == "deny":
                print("watching", flush=True)
            at = wait_for(gate, person, allowed=wanted == "allow")
            word = "late" if at is None else "allowed" if wanted == "allow" else f"denied {at}"
            print(word, flush=True)


def wait_for(gate: Gate, person: str, *, allowed: bool) -> int | None:
    """When the answer was first as wanted, in nanoseconds; None when it is not in time.

    A gate that has no proof says no to everyone: that is not the no of this person.
    """
    deadline = time.monotonic() + ENFORCED_SECONDS
    while time.monotonic() < deadline:
        verdict = gate.check(tenant=TENANT, email=person, scope="news")
        if verdict.allow if allowed else "unsubscribed" in verdict.reasons:
            return time.time_ns()
        time.sleep(LOOK_EVERY)
    return None


if __name__ == "__main__":
    main()
