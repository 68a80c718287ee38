"""A gate that reads the topics answers for every key as the rules do on the input alone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from random import Random

from benchmarks.oracle import Given, fold
from consent_stream import Gate
from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import EMAIL, SMS
from consent_stream.domain.policy import Policy
from consent_stream.domain.registers import Registers
from consent_stream.policyfile import load_policy
from consent_stream.wire.topics import EVENTS
from tests.faults.deployment import KEYS, Deployment, await_that

DAY_S = 86_400.0  # the worker has ended: what is judged here is what a gate knows, not how fresh it is
SCOPES = ("*", "news", "deals/weekly")
# Gate → what its keys stand for, and what it is asked about: purposes that need a permission, for to a bare key that
# is on no list a gate never says yes.
GATES = {"email": (EMAIL, "marketing"), "sms": (SMS, "marketing"), "sharing": (EMAIL | SMS, "sharing")}


def check_gate(deployment: Deployment, sample: int | None = None) -> int:
    """How many answers about mail, texts and sharing were compared. sample: keys a gate, at random; None is all.

    Errors: AssertionError, which names no one.
    """
    policy, _ = load_policy(deployment.settings.policy)
    registers = fold(
        [Given(e.partition, e.offset, e.timestamp * 1000, e.value or b"") for e in deployment.read(EVENTS)],
        policy,
        KEYS,
    )
    compared, wrong = 0, 0
    for channel, (standing_for, purpose) in GATES.items():
        # Keys of contacts are no addresses that a gate is asked about.
        asked = sorted((key, reg) for key, reg in registers.items() if reg.channels & standing_for)
        if sample is not None:
            asked = Random(len(asked)).sample(asked, min(sample, len(asked)))
        with Gate(deployment.settings, keys=KEYS, channel=channel, staleness_limit=DAY_S, report=False) as gate:
            await_that(f"the gate of {channel} is ready", lambda gate=gate: gate.status().ready, 30)  # type: ignore[misc]
            right, told = _compare(gate, channel, purpose, asked, policy)
        wrong += told - right
        compared += told
    assert not wrong, f"{wrong} of {compared} answers differ from the rules"
    return compared


def _compare(
    gate: Gate, channel: str, purpose: str, asked: Iterable[tuple[bytes, Registers]], policy: Policy
) -> tuple[int, int]:
    """(answers as the rules say, answers)."""
    at, right, told = time.time_ns() // 1000, 0, 0
    for key, reg in asked:
        # On the list of sharing a key that may be either is taken for a phone.
        address = channel if channel != "sharing" else "sms" if reg.channels & SMS else "email"
        for scope in SCOPES:
            node = question(purpose, address, scope)
            wanted = decide(node, at, [View(reg)], policy.tenant(reg.tenant), address)
            said = gate.check(tenant=reg.tenant, key=key.hex(), purpose=purpose, scope=scope, at=at)
            right += said.reasons == wanted.reasons
            told += 1
    return right, told
