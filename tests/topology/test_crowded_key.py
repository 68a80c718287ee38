"""A bound of the whole key may displace what stands on another list: that list is written anew as well."""

from __future__ import annotations

from random import Random

import pytest

from consent_stream.domain.registers import GRANTS_PER_KEY
from consent_stream.domain.standing import LISTS, on_list
from consent_stream.wire.state import decode_registers
from consent_stream.wire.suppression import decode_entry
from tests.topology.made_up import KEYS, NOTICE, event, facts_of
from tests.topology.test_fold import Fold

ANA = KEYS.subject("acme", "email", "ana@example.com")
CROWD = GRANTS_PER_KEY + 60


def crowd() -> list[dict[str, object]]:
    """More grants than are kept of one key, of mail and of sharing by turns, each later than the one before."""
    events = []
    for n in range(CROWD):
        purpose = "sharing" if n % 3 == 0 else "marketing"
        made = event(
            "consent.granted", f"g{n:03d}", email="ana@example.com", channel="email", purpose=purpose,
            scope=f"s{n}", notice=NOTICE, evidence="E2",
        )  # fmt: skip
        events.append({**made, "time": f"2026-02-{1 + n // 24 % 28:02d}T{n % 24:02d}:00:00Z"})
    return events


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_every_list_holds_what_the_state_holds(seed, size):
    facts = list(enumerate(Random(seed).sample(facts_of(*crowd()), CROWD)))
    found = Fold()
    for start in range(0, len(facts), size):
        found.slice(facts[start : start + size])
    state = decode_registers(found.rows[ANA])
    assert len(state.grants) < CROWD, "some were displaced"
    for channel in LISTS:
        if (channel, ANA) in found.lists():
            entry = decode_entry(found.lists()[channel, ANA])
            assert set(entry.registers.grants) == {g for g in state.grants if on_list(g.node, channel)}
