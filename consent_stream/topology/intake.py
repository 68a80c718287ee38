"""The intake stage: a record of `consent.events` → facts for the ledger, or quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from consent_stream.domain.events import CODES, MEANINGS, qualify
from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.domain.subjects import KeyOf
from consent_stream.wire.avro import WireError
from consent_stream.wire.records import read_events

_RANK = {code: rank for rank, code in enumerate(CODES)}


class Refusal(NamedTuple):
    """Why a record goes to quarantine: the first code that applies, and which events of a batch it concerns."""

    code: str
    message: str = ""
    events: tuple[int, ...] = ()


class Intake(NamedTuple):
    facts: list[Fact]
    refusal: Refusal | None
    counts: list[str]


def take_in(
    value: bytes | None,
    received: int,
    place: tuple[int, int],
    policy: Policy,
    key_of: KeyOf,
    older: Sequence[KeyOf] = (),
) -> Intake:
    """What one record says.

    Shapes: `received` microseconds of append time; `place` (partition, offset) in `consent.events`; `key_of` makes keys
    under the current key id, `older` under each other one that is live. Facts go under all of them: a link, a grant or
    a block that stands under an older key is reached by what follows it only there.
    Laws: never raises for what a sender wrote; facts or a refusal come out, or both, or counts alone.
    """
    try:
        events = read_events(value)
    except WireError as exc:
        return Intake([], Refusal(exc.code, str(exc)), [])
    if len(events) == 1:
        facts, code, counts = _one(events[0], received, place, policy, key_of, older)
        return Intake(facts, Refusal(code, MEANINGS[code]) if code else None, counts)
    found: list[Fact] = []
    counted: list[str] = []
    refused: dict[int, str] = {}
    for index, event in enumerate(events):
        facts, code, counts = _one(event, received, place, policy, key_of, older)
        found += facts
        counted += counts
        if code:
            refused[index] = code
    first = min(refused.values(), key=_RANK.__getitem__) if refused else None
    return Intake(found, Refusal(first, MEANINGS[first], tuple(refused)) if first else None, counted)


def _one(
    event: Any, received: int, place: tuple[int, int], policy: Policy, key_of: KeyOf, older: Sequence[KeyOf]
) -> tuple[list[Fact], str | None, list[str]]:
    if not isinstance(event, dict):
        return [], "not_cloudevent", []
    facts, code, counts = qualify(event, received, place, policy, key_of)
    for key_then in older:
        facts += qualify(event, received, place, policy, key_then).facts
    return facts, code, counts
