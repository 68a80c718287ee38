"""Events in, answers out, through the domain alone: what the worker does without topics in between.

The one place that the laws and the scenarios use to run the product, so that it can be pointed at another path.
"""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from consent_stream.domain.addresses import base_form, canonical_email, canonical_phone
from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.derive import derive
from consent_stream.domain.events import Outcome, qualify
from consent_stream.domain.facts import Fact
from consent_stream.domain.nodes import PURPOSES
from consent_stream.domain.policy import read_policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import parse_instant
from consent_stream.wire.keys import ROOT_KEY_BYTES, Keyring

Arrival = Mapping[str, Any]  # {"received": RFC 3339, "event": CloudEvent}, as in scenario files
Question = Mapping[str, Any]  # an entry of `expect` in scenario files


key_of = Keyring({0: bytes(ROOT_KEY_BYTES)}).subject  # as scenario files have it


def subject(asked: Question) -> tuple[str, str] | None:
    """Channel and canonical address of a question, None for a bad address."""
    if asked.get("email") is not None:
        channel, canonical = "email", canonical_email(asked["email"])
    else:
        channel, canonical = "sms", canonical_phone(asked["phone"], asked.get("region"))
    return None if canonical is None else (channel, canonical)


class World:
    """All registers of a deployment. With `shuffle`, waiting facts are folded in a random order, some of them twice."""

    def __init__(self, policy: Mapping[str, Any], shuffle: Random | None = None) -> None:
        self.policy = read_policy(policy)
        self.registers: dict[bytes, Registers] = {}
        self.shuffle = shuffle
        self.waiting: list[Fact] = []
        self.heard = 0

    def hear(self, event: object, received: int, place: tuple[int, int] | None = None) -> Outcome:
        """Qualify one event and fold what follows. `place` is its (partition, offset), by default the next."""
        outcome = qualify(event, received, place or (0, self.heard), self.policy, key_of)  # type: ignore[arg-type]
        self.heard += 1
        self.waiting.extend(outcome.facts)
        if self.shuffle is None or self.shuffle.random() < 0.7:
            self.settle()
        return outcome

    def settle(self) -> None:
        while self.waiting:
            at = self.shuffle.randrange(len(self.waiting)) if self.shuffle else 0
            fact = self.waiting.pop(at)
            if self.shuffle and self.shuffle.random() < 0.1:
                self.waiting.append(fact)
            self.fold(fact)

    def fold(self, fact: Fact) -> None:
        reg = self.registers.setdefault(fact.key, Registers(fact.tenant, fact.channels))
        self.waiting.extend(derive(reg, reg.apply(fact), fact))

    def views(self, asked: Question) -> list[View]:
        found = subject(asked)
        assert found is not None, "ask only about what can be asked"
        (channel, canonical), tenant, empty = found, asked["tenant"], Registers()
        views = [View(self.registers.get(key_of(tenant, channel, canonical), empty))]
        if channel == "email" and base_form(canonical) != canonical:
            views.append(View(self.registers.get(key_of(tenant, "email", base_form(canonical)), empty), True))
        if asked.get("contact") is not None:
            views.append(View(self.registers.get(key_of(tenant, "contact", asked["contact"]), empty)))
        return views

    def reasons(self, asked: Question) -> list[str]:
        self.settle()
        found = subject(asked)
        if found is None:
            return ["bad_address"]
        if asked["purpose"] not in PURPOSES:
            return ["unknown_purpose"]
        x, at = question(asked["purpose"], found[0], asked["scope"]), parse_instant(asked["at"])
        assert at is not None
        rules = self.policy.tenant(asked["tenant"])
        return list(decide(x, at, self.views(asked), rules, found[0]).reasons)

    def state(self) -> dict[bytes, str]:
        """Every register of every key in a canonical text: equal text is equal state."""
        self.settle()
        return {key: canonical_text(reg) for key, reg in self.registers.items()}


def canonical_text(reg: Registers) -> str:
    return repr((
        reg.tenant, reg.channels, sorted(reg.restrictions.values()), sorted(reg.grants), sorted(reg.lifts.items()),
        sorted(reg.voids.items()), sorted(reg.births.items()), reg.bounced, reg.delivered,
        sorted(reg.requested.items()), sorted(reg.links.items()),
    ))  # fmt: skip


def run(
    policy: Mapping[str, Any], arrivals: Iterable[Arrival], shuffle: Random | None = None
) -> tuple[World, dict[str, str]]:
    """A world that has heard all arrivals, and the quarantine codes by event id."""
    world, codes = World(policy, shuffle), {}
    for arrival in arrivals:
        received = parse_instant(arrival["received"])
        assert received is not None
        event = arrival["event"]
        code = world.hear(event, received, arrival.get("place")).code
        if code:
            codes[str(event.get("id", ""))] = code
    world.settle()
    return world, codes
