"""While root keys rotate: what was told under the key before, and what is told now, concern each other."""

import orjson
import pytest

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.gate.question import subjects
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.state import decode_registers
from tests.topology.made_up import ANA, KEYS, NOON, POLICY, event, granted
from tests.topology.test_fold import Fold

ROTATED = Keyring({0: bytes(32), 1: b"\1" * 32}, 1)


def told(table: Fold, ring: Keyring, happened: dict) -> None:
    """An event all the way into the table, with what follows from it."""
    at = table.slices * 100
    facts = take_in(orjson.dumps(happened), NOON, (0, at), POLICY, ring.subject, ring.older).facts
    while facts:
        done = len(table.derived)
        table.slice([(at + i, fact) for i, fact in enumerate(facts)])
        at, facts = at + len(facts), table.derived[done:]


def asked(table: Fold, ring: Keyring, contact: str | None = None) -> tuple[str, ...]:
    probed = subjects(ring)("acme", ANA["email"], None, None, contact, None)
    views = [View(decode_registers(table.rows[key]), False) for key in probed.keys if key in table.rows]
    at = NOON + 3600 * 1_000_000
    return decide(question("marketing", "email", "news"), at, views, POLICY.tenant("acme"), "email").reasons


@pytest.mark.parametrize("contact", [None, "c-1"])
def test_an_opt_out_reaches_an_address_over_a_link_of_the_key_before(contact):
    table = Fold()
    told(table, KEYS, granted(contact="c-1"))
    assert asked(table, ROTATED, contact) == ()
    told(table, ROTATED, event("unsubscribe.global", "u1", contact="c-1"))
    assert asked(table, ROTATED, contact) == ("global_opt_out",)


def test_a_lift_clears_what_was_set_under_the_key_before():
    table, block = Fold(), {**ANA, "node": "marketing:email:*"}
    told(table, KEYS, granted())
    told(table, KEYS, {**event("admin.suppress", "s1", **block), "time": "2026-03-01T10:00:00Z"})
    assert asked(table, ROTATED) == ("suppressed_by_staff",)
    told(table, ROTATED, event("admin.lift", "l1", **block, kind="suppressed_by_staff", approved_by=["ana", "bo"]))
    assert asked(table, ROTATED) == ()


def test_a_new_fact_stands_under_the_new_key_alone_as_well():
    """So the old key can go once what it kept has been told again."""
    table = Fold()
    told(table, ROTATED, granted())
    told(table, ROTATED, event())
    assert asked(table, Keyring({1: b"\1" * 32})) == ("unsubscribed",)
