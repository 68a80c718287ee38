"""A contact with as many addresses as are kept: its slices stay small work, and one "no" reaches them all."""

from __future__ import annotations

from consent_stream.domain.registers import LINKS_PER_KEY
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.state import decode_registers
from tests.topology.made_up import KEYS, event, facts_of
from tests.topology.test_fold import Fold

CONTACT = KEYS.subject("acme", "contact", "c-1")
SLICE = 2_000


def test_ten_thousand_addresses_of_one_contact():
    found = Fold()
    people = [
        event("consent.requested", f"l{n}", email=f"p{n}@example.com", contact="c-1") for n in range(LINKS_PER_KEY)
    ]
    linked = list(enumerate(fact for fact in facts_of(*people) if fact.key == CONTACT))
    written = 0
    for start in range(0, len(linked), SLICE):
        effects = found.slice(linked[start : start + SLICE])
        assert list(effects.rows) == [CONTACT], "one row a slice, however many links it brings"
        assert not effects.derived
        written += len(effects.rows[CONTACT])
    assert len(decode_registers(found.rows[CONTACT]).links) == LINKS_PER_KEY
    assert written < 1_000_000, "a row for each link would come to a gigabyte"

    (no,) = facts_of(event("unsubscribe.global", "no", contact="c-1"))
    effects = found.slice([(len(linked), no)])
    reached = {key: decode_fact(key, value) for key, value in effects.derived}
    assert len(effects.derived) == len(reached) == LINKS_PER_KEY
    assert all(fact.derived and fact.parts[0].kind == "global_opt_out" for fact in reached.values())
    assert max(len(value) for _, value in effects.derived) < 200

    again = found.slice([(len(linked) + 1, no)])
    assert not again.derived, "told once"
