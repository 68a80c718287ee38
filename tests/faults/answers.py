"""A gate that reads the topics answers for every key as the rules do on the input alone."""

from __future__ import annotations

import time

from benchmarks.oracle import Given, fold
from consent_stream import Gate
from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import EMAIL
from consent_stream.wire.topics import EVENTS
from consent_stream.worker import load_policy
from tests.faults.deployment import KEYS, Deployment, await_that

DAY_S = 86_400.0  # the worker has ended: what is judged here is what a gate knows, not how fresh it is
SCOPES = ("*", "news", "deals/weekly")


def check_gate(deployment: Deployment) -> int:
    """How many answers about mail were compared. Errors: AssertionError, which names no one."""
    policy, _ = load_policy(deployment.settings.policy)
    registers = fold(
        [Given(e.partition, e.offset, e.timestamp * 1000, e.value or b"") for e in deployment.read(EVENTS)],
        policy,
        KEYS,
    )
    at, compared, wrong = time.time_ns() // 1000, 0, 0
    with Gate(deployment.settings, keys=KEYS, channel="email", staleness_limit=DAY_S, report=False) as gate:
        await_that("the gate is ready", lambda: gate.status().ready, 30)
        # Keys of contacts, and phones, are no addresses that a gate for mail is asked about.
        asked = {key: reg for key, reg in registers.items() if reg.channels & EMAIL}
        for key, reg in asked.items():
            for scope in SCOPES:
                rules = policy.tenant(reg.tenant)
                told = decide(question("marketing", "email", scope), at, [View(reg)], rules, "email")
                said = gate.check(tenant=reg.tenant, key=key.hex(), scope=scope, at=at)
                wrong += said.reasons != told.reasons
                compared += 1
    assert not wrong, f"{wrong} of {compared} answers differ from the rules"
    return compared
