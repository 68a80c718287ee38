"""Whether anything that a generation denied might be allowed by another. Pure.

By the laws of RULES §11 a restriction, void, age or bounce more never turns deny into allow, and a grant, lift or
delivery fewer neither. So a key is not loosened when the other generation has all that forbade and nothing new that
permits, and then no joined decision is (a contact's registers with an address's): no question needs to be asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from consent_stream.domain.facts import Fact, Lift, Part
from consent_stream.domain.nodes import PURPOSES
from consent_stream.domain.policy import Policy, Tenant
from consent_stream.domain.registers import Registers
from consent_stream.wire.state import decode_registers, encode_registers


def loosened(before: Registers, after: Registers) -> bool:
    """Whether some question about this key, alone or joined with others, may be answered more freely than before."""
    return _lacks_what_forbade(before, after) or _permits_more(before, after)


def _lacks_what_forbade(before: Registers, after: Registers) -> bool:
    """Whether joining in what forbade before teaches the other registers anything."""
    joined = decode_registers(encode_registers(after))
    fact = Fact(b"", before.channels, before.tenant, "", "", "", 0, 0, 0, False, tuple(_forbidding(before)))
    changed = joined.apply(fact)
    return bool(changed) or joined.channels != after.channels or (bool(after.tenant) and after.tenant != before.tenant)


def _forbidding(reg: Registers) -> Iterator[Part]:
    yield from reg.restrictions.values()
    yield from reg.voids.values()
    yield from reg.births.values()
    if reg.bounced is not None:
        yield reg.bounced


def _permits_more(before: Registers, after: Registers) -> bool:
    answered = before.delivered.time if before.delivered is not None else None
    delivered = after.delivered is not None and (answered is None or after.delivered.time > answered)
    return delivered or bool({*after.grants, *_lifts(after)} - {*before.grants, *_lifts(before)})


def _lifts(reg: Registers) -> Iterator[Lift]:
    for lifts in reg.lifts.values():
        yield from lifts


def loosened_tenants(before: Policy, after: Policy) -> list[str]:
    """Tenants whose policy decides more freely, for people on no list as well."""
    return sorted(t for t in {*before.tenants, *after.tenants} if _is_looser(before.tenant(t), after.tenant(t)))


def _is_looser(before: Tenant, after: Tenant) -> bool:
    return (
        after.min_evidence < before.min_evidence
        or (after.allow_migrated and not before.allow_migrated)
        or any(before.needs_grant(purpose) and not after.needs_grant(purpose) for purpose in PURPOSES)
    )
