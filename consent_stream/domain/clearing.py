"""What takes a restriction back, and what takes a grant out of counting (RULES §5, §6, §7).

Shared by the exact decision and by the standing on the lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from consent_stream.domain.facts import CONTACT, KINDS, REVIEWED, Birth, Grant, Lift, Restriction
from consent_stream.domain.nodes import EVERYTHING, Node
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.domain.times import MINUTE, adult_from

NEVER = -(1 << 62)


class View(NamedTuple):
    """Registers as a question sees them: `base` lends its four kinds, nothing else."""

    registers: Registers
    base: bool = False


def as_of(reg: Registers, received: int) -> int:
    """The instant at which a list's record is true: the append time of its cause, or of what the key knows already.

    Facts of several partitions are read in any order. One that was appended before another must not make a record that
    has forgotten it: a lift or a delivery that is held was appended no earlier than its lo.
    """
    at = received
    if reg.lifts:
        at = max(at, *(lift.lo for lifts in reg.lifts.values() for lift in lifts))
    if reg.delivered is not None:
        at = max(at, reg.delivered.time)
    return at


def lifted(reg: Registers, restriction: Restriction, at: int) -> bool:
    kind = restriction.kind
    if KINDS[kind].cleared_by != "lift" and kind not in REVIEWED:
        return False
    return _earliest(reg.lifts.get((kind, restriction.node), ()), restriction.hi, at) is not None


def _earliest(lifts: Iterable[Lift], hi: int, at: int) -> int | None:
    """The lo of the first lift that is provably later than `hi` and counts at `at`."""
    return min((lift.lo for lift in lifts if hi < lift.lo <= at), default=None)


def ages(reg: Registers, at: int) -> Iterator[tuple[Birth, int]]:
    """Each asserted birth and the instant until which its subject is a child; a corrected one ends before it began."""
    lifts = reg.lifts.get(("minor", EVERYTHING), ())
    for birth in reg.births.values():
        corrected = _earliest(lifts, birth.hi, at)
        yield birth, adult_from(birth.date) if corrected is None else NEVER


def minor_until(reg: Registers, at: int) -> int:
    """Until when the subject counts as a child, as known at `at`; 0 when no birth date stands."""
    return max([0, *(end for _, end in ages(reg, at))])


def _void_through_age(reg: Registers, at: int) -> int:
    """Grants with lo before this instant are void: their subject was a child, or was taken for one."""
    lifts = reg.lifts.get(("minor", EVERYTHING), ())
    bound = NEVER
    for birth in reg.births.values():
        end = adult_from(birth.date)
        corrected = _earliest(lifts, birth.hi, at)
        bound = max(bound, end if corrected is None else min(end, corrected + 1))
    return bound


def undeliverable(reg: Registers, at: int) -> bool:
    """A hard bounce stands that no later delivery answers. A delivery counts from its lo on."""
    bounce, delivery = reg.bounced, reg.delivered
    if bounce is None or reg.channels & CONTACT:
        return False
    return delivery is None or delivery.time > at or bounce.time >= delivery.time


def level_to_clear(kind: str) -> int | None:
    """The evidence level of a grant that clears this kind; None when no grant does."""
    needed = KINDS[kind].cleared_by
    return None if isinstance(needed, str) else needed


def names(grant: Grant, restriction: Restriction) -> bool:
    """Whether the person was told that this grant reopens what was restricted."""
    return grant.node == restriction.node or restriction.node in grant.names


def enough(grant: Grant, rules: Tenant, migrated: bool) -> bool:
    """Whether its level lets a grant count; `migrated` says whether E1 may (RULES §5)."""
    if grant.level >= 2:
        return grant.level >= rules.min_evidence
    return grant.level == 1 and migrated


def living(at: int, views: Sequence[View], channel: str, above: frozenset[Node]) -> list[Grant]:
    """Grants on one of the nodes `above` that are not void in the joined registers (RULES §5)."""
    own = [view.registers for view in views if not view.base]
    covering = [(reg, terms[0], group) for reg in own for terms, group in reg.groups.items() if terms[0] in above]
    if not covering or any(reg.all_void for reg in own):
        return []
    voids: dict[str, int] = {}
    bound = NEVER
    for reg in own:
        for void in reg.voids.values():
            voids[void.selector] = min(void.since, voids.get(void.selector, void.since))
        if reg.births:
            bound = max(bound, _void_through_age(reg, at))
    texted = bound
    for view in views:
        for r in view.registers.restrictions.values():
            if r.kind == "erased":
                bound = max(bound, r.hi + 1)
            elif r.kind == "reassigned" and not view.base:
                texted = max(texted, r.hi + 1)
    texted = max(texted, bound)
    found = []
    for reg, where, group in covering:
        on_phone = channel == "sms" and not reg.channels & CONTACT
        limit = texted if on_phone or where.channel == "sms" else bound
        found += [grant for grant in group if grant.lo >= limit and not (voids and _selected(grant, voids))]
    return found


def _selected(grant: Grant, voids: dict[str, int]) -> bool:
    if f"grant:{grant.source}#{grant.id}" in voids:
        return True
    if grant.batch and f"batch:{grant.batch}" in voids:
        return True
    if f"notice:{grant.notice_id}@{grant.notice_version}" in voids:
        return True
    since = voids.get(f"credential:{grant.credential}") if grant.credential else None
    return since is not None and grant.lo >= since - 5 * MINUTE
