"""The product beside the naive model: the same history, the same questions, the first difference."""

from collections.abc import Mapping, Sequence
from typing import Any

from consent_stream.domain.addresses import base_form
from consent_stream.domain.times import parse_instant

from .harness import Arrival, Question, World, key_of, subject
from .model import Model


def instant(text: str) -> int:
    found = parse_instant(text)
    assert found is not None
    return found


def modelled(model: Model, asked: Question) -> list[str]:
    """The model's answer to a question with a good address."""
    found, tenant = subject(asked), asked["tenant"]
    assert found is not None
    channel, canonical = found
    base = key_of(tenant, "email", base_form(canonical)) if channel == "email" else None
    contact = key_of(tenant, "contact", asked["contact"]) if asked["contact"] is not None else None
    return model.reasons(
        tenant, key_of(tenant, channel, canonical), base, contact, channel, asked["purpose"], asked["scope"],
        instant(asked["at"]),
    )  # fmt: skip


def difference(policy: Mapping[str, Any], history: Sequence[Arrival], questions: Sequence[Question]) -> str:
    """The first thing on which the two do not agree; empty when they agree on everything."""
    world, model = World(policy), Model(policy, key_of)
    for arrival in history:
        received = instant(arrival["received"])
        code, expected = world.hear(arrival["event"], received).code or "", model.hear(arrival["event"], received)
        if code != expected:
            return f"code {code!r}, model {expected!r}: {arrival}"
    for asked in questions:
        reasons, expected_reasons = world.reasons(asked), modelled(model, asked)
        if reasons != expected_reasons:
            return f"{reasons}, model {expected_reasons}: {asked}"
    return ""


def smallest(policy: Mapping[str, Any], history: Sequence[Arrival], questions: Sequence[Question]) -> str:
    """A difference with every event left out that it does not need: for reading."""
    kept, at = list(history), 0
    while at < len(kept):
        fewer = kept[:at] + kept[at + 1 :]
        kept, at = (fewer, at) if difference(policy, fewer, questions) else (kept, at + 1)
    return "\n".join([difference(policy, kept, questions), *map(str, kept)])
