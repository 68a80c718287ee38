"""When a gate's answers are no ground for a clean list."""

import pytest

from consent_stream.gate.scrub.running import Unproven, _refuse_gaps

BAD, GAP, STALE = ("bad_address",), ("not_ready",), ("stale", "unsubscribed")


@pytest.mark.parametrize(
    ("reasons", "ready", "ends"),
    [
        ([(), ("unsubscribed",)], False, False),  # answered, whatever came after
        ([BAD, BAD], True, False),
        ([(), GAP], True, False),  # one row that cannot be read
        ([GAP], True, False),
        ([GAP], False, True),
        ([(), GAP], False, True),
        ([GAP, GAP, BAD], True, True),  # nothing was answered
        ([(), STALE], True, True),
    ],
)
def test_a_row_may_be_unreadable_and_a_gate_may_not(reasons, ready, ends):
    if not ends:
        _refuse_gaps(reasons, lambda: ready)
        return
    with pytest.raises(Unproven):
        _refuse_gaps(reasons, lambda: ready)
