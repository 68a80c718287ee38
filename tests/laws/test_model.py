"""The product and a naive reading of the rules agree: codes of every event, reasons of every answer."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from .compare import difference, smallest
from .histories import POLICY, TENANTS, histories, picker, question, questions, seeded

ACME = ["acme"]


@given(histories(6, tenants=ACME), st.lists(questions(tenants=ACME), min_size=4, max_size=12))
def test_agrees_with_the_model(history: list[dict[str, Any]], asked: list[dict[str, Any]]) -> None:
    assert difference(POLICY, history, asked) == ""


def test_agrees_with_the_model_on_seeded_histories(sweep: Iterable[int]) -> None:
    for seed in sweep:
        pick = picker(seed)
        tenants = pick([["acme"], ["globex"], ["hooli"], TENANTS])
        history = seeded(seed, pick(range(1, 12)), tenants)
        asked = [question(pick, tenants, history) for _ in range(40)]
        if difference(POLICY, history, asked):
            raise AssertionError(f"seed {seed}\n{smallest(POLICY, history, asked)}")
