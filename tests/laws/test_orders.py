"""Any order, any duplication, any split of events and of the facts that follow from them: one state, one answer."""

from collections.abc import Iterable
from itertools import permutations
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.registers import Registers

from .harness import World, canonical_text, run
from .histories import POLICY, histories, picker, question, seeded


def placed(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each arrival with its coordinates: a duplicate is the same record, not the same words sent again."""
    return [{**arrival, "place": (0, offset)} for offset, arrival in enumerate(history)]


def states(policy: dict[str, Any], orders: Iterable[list[dict[str, Any]]], seed: int = 0) -> list[dict[bytes, str]]:
    return [run(policy, order, Random(seed + i))[0].state() for i, order in enumerate(orders)]


@given(histories(7), st.integers(0, 1 << 16))
def test_any_order_and_duplication_ends_in_one_state(history: list[dict[str, Any]], seed: int) -> None:
    random = Random(seed)
    given_order = placed(history)
    shuffled = random.sample(given_order, len(given_order))
    doubled = shuffled + random.sample(given_order, len(given_order))
    expected = run(POLICY, given_order)[0].state()
    for order in (given_order[::-1], shuffled, doubled):
        assert run(POLICY, order, random)[0].state() == expected


def test_long_histories_end_in_one_state(sweep: Iterable[int]) -> None:
    for seed in list(sweep)[::10]:
        random = Random(seed)
        history = placed(seeded(seed, 60, ["acme"]))
        expected = run(POLICY, history)[0].state()
        orders = [random.sample(history, len(history)) for _ in range(2)] + [history[::-1] + history[::2]]
        for found in states(POLICY, orders, seed):
            assert found == expected, f"seed {seed}"


def test_every_order_of_short_histories_ends_in_one_state() -> None:
    for seed in range(12):
        history = placed(seeded(seed, 4, ["acme"]))
        first, *others = states(POLICY, ([*order] for order in permutations(history)))
        assert all(other == first for other in others), f"seed {seed}"


def test_answers_do_not_depend_on_the_order(sweep: Iterable[int]) -> None:
    for seed in list(sweep)[::5]:
        pick = picker(seed)
        history = placed(seeded(seed, 8, ["acme"]))
        asked = [question(pick, ["acme"], history) for _ in range(20)]
        there, back = run(POLICY, history)[0], run(POLICY, history[::-1], Random(seed))[0]
        assert [there.reasons(x) for x in asked] == [back.reasons(x) for x in asked], f"seed {seed}"


def test_state_rebuilt_from_the_facts_equals_the_live_one() -> None:
    for seed in range(20):
        live = _Recording(POLICY)
        for offset, arrival in enumerate(seeded(seed, 30, ["acme"])):
            live.hear_arrival(arrival, offset)
        rebuilt = World(POLICY)
        for fact in live.ledger:
            rebuilt.fold(fact)  # its derived facts are in the ledger, too; once more does no harm
        assert rebuilt.state() == live.state(), f"seed {seed}"


def test_apply_tells_exactly_what_taught_something_new() -> None:
    """On this the worker decides what is written, derived and published, and what a replay may skip."""
    for seed in range(40):
        live = _Recording(POLICY)
        for offset, arrival in enumerate(seeded(seed, 12, ["acme"])):
            live.hear_arrival(arrival, offset)
        rebuilt: dict[bytes, Registers] = {}
        for fact in [*live.ledger, *live.ledger]:
            reg = rebuilt.setdefault(fact.key, Registers(fact.tenant, fact.channels))
            reg.channels |= fact.channels
            before = canonical_text(reg)
            changed = reg.apply(fact)
            assert bool(changed) == (canonical_text(reg) != before), f"seed {seed}: {changed}"
            assert set(changed) <= set(fact.parts)


class _Recording(World):
    """Keeps every fact, as the ledger does."""

    def __init__(self, policy: dict[str, Any]) -> None:
        super().__init__(policy)
        self.ledger: list[Any] = []

    def hear_arrival(self, arrival: dict[str, Any], offset: int) -> None:
        from .compare import instant

        self.hear(arrival["event"], instant(arrival["received"]), (0, offset))

    def fold(self, fact: Any) -> None:
        self.ledger.append(fact)
        super().fold(fact)
