"""No answer becomes freer unless a key of it is found loosened, and equal generations loosen nothing."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from consent_stream.domain.addresses import base_form
from consent_stream.domain.policy import Policy, read_policy
from consent_stream.domain.registers import Registers
from consent_stream.rebuild.loosened import loosened, loosened_tenants
from tests.laws.harness import World, key_of, run, subject
from tests.laws.histories import POLICY, picker, question, seeded

NOTHING = Registers()


def keys(asked: dict[str, Any]) -> Iterator[bytes]:
    found = subject(asked)
    assert found is not None
    (channel, canonical), tenant = found, asked["tenant"]
    yield key_of(tenant, channel, canonical)
    if channel == "email":
        yield key_of(tenant, "email", base_form(canonical))
    if asked.get("contact") is not None:
        yield key_of(tenant, "contact", asked["contact"])


def may_be_freer(before: World, after: World, asked: dict[str, Any]) -> bool:
    return any(loosened(before.registers.get(key, NOTHING), after.registers.get(key, NOTHING)) for key in keys(asked))


def freer_answers(seed: int) -> int:
    """How many of some questions are answered more freely after another part of the same events."""
    random, pick = Random(seed), picker(seed)
    history = seeded(seed, 30)
    before = run(POLICY, [each for each in history if random.random() < 0.8])[0]
    after = run(POLICY, [each for each in history if random.random() < 0.8])[0]
    found = 0
    for _ in range(40):
        asked = question(pick, history=history)
        if subject(asked) and before.reasons(asked) and not after.reasons(asked):
            found += 1
            assert may_be_freer(before, after, asked), asked
    return found


def test_a_yes_in_place_of_a_no_has_a_loosened_key() -> None:
    assert sum(map(freer_answers, range(400))) > 20


def test_the_same_events_in_another_order_loosen_nothing() -> None:
    for seed in range(40):
        history = seeded(seed, 30)
        before, after = run(POLICY, history)[0], run(POLICY, history[::-1])[0]
        assert before.registers.keys() == after.registers.keys()
        assert not any(loosened(reg, after.registers[key]) for key, reg in before.registers.items())


def tenants(**settings: Any) -> Policy:
    return read_policy({"tenants": {"acme": settings, "globex": {"min_evidence": "E2"}}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"min_evidence": "E3"}, {}),
        ({}, {"allow_migrated": True}),
        ({}, {"basis": {"marketing": "legitimate_interest"}}),
        ({"basis": {"sharing": "consent"}}, {"basis": {"sharing": "legitimate_interest"}}),
    ],
)
def test_a_tenant_that_decides_more_freely_is_named(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert loosened_tenants(tenants(**before), tenants(**after)) == ["acme"]
    assert loosened_tenants(tenants(**after), tenants(**before)) == []


def test_a_tenant_that_leaves_the_policy_has_the_defaults() -> None:
    strict = tenants(min_evidence="E4")
    assert loosened_tenants(strict, read_policy({"tenants": {}})) == ["acme"]
    assert loosened_tenants(strict, strict) == []
