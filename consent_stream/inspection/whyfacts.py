"""Facts as they are told of: what each part says, what it comes to, and what the register held before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from consent_stream.domain.facts import KINDS, Birth, Delivery, Fact, Grant, Lift, Restriction, Void
from consent_stream.domain.nodes import ANY, EVERYTHING, path
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.inspection.history import Placed
from consent_stream.inspection.late import Case, asked_of
from consent_stream.inspection.whycauses import Causes, causes, slot_of
from consent_stream.inspection.whychain import FactTold, Link, Part
from consent_stream.wire.keys import kind_of


def as_of(fact: Fact, at: int) -> Fact:
    """A fact without what had not happened by an instant (`why`, 2)."""
    if fact.received <= at:
        return fact
    return fact._replace(parts=tuple(part for part in fact.parts if not is_later(part, fact, at)))


def is_later(part: object, fact: Fact, at: int) -> bool:
    """Whether a part had not happened by an instant (`why`, 2)."""
    if fact.received <= at:
        return False
    if isinstance(part, Restriction):
        return part.hi > at
    return isinstance(part, Delivery) and part.bounced and part.time > at


class Telling:
    """Tells facts, one after the other as they were received: what a register held before depends on what was told.

    registers: those that the answer rests on. around: facts of all keys at hand, to trace derived ones.
    """

    def __init__(
        self, case: Case, registers: Mapping[bytes, Registers], rules: Tenant, at: int, around: Iterable[Placed]
    ) -> None:
        x, views, channel = asked_of(case, registers)
        self._case, self._registers, self._at = case, registers, at
        self._where, self._delivered = path(x), x.channel != ANY
        keys = [key for key in (*case.keys, *case.bases) if key in registers]  # in the order of the views
        self._causes: Causes = causes(x, at, dict(zip(keys, views, strict=True)), rules, channel)
        self._then: dict[bytes, Registers] = {}
        self._around: dict[tuple[int, int], list[Fact]] = {}
        for placed in around:
            self._around.setdefault((placed.fact.partition, placed.fact.offset), []).append(placed.fact)

    def fact(self, placed: Placed) -> FactTold | None:
        """What it says about the question; None when that is nothing."""
        place, fact = placed
        base = fact.key in self._case.bases
        reg = self._then.setdefault(fact.key, Registers(fact.tenant))
        parts = [part for part in fact.parts if self._concerns(part, base)]
        before = [slot_of(reg, part) for part in parts]
        reg.apply(fact)
        if not parts:
            return None
        told = [
            replace(self._part(part, fact, base), before=was, after=slot_of(reg, part))
            for part, was in zip(parts, before, strict=True)
        ]
        over = self._over(fact) if fact.derived else None
        kind = "base" if base else kind_of(fact.key)
        return FactTold(fact.key.hex(), kind, *place, fact.derived, over, tuple(told))

    def _concerns(self, part: object, base: bool) -> bool:
        if isinstance(part, Restriction):
            return part.node in self._where and (not base or KINDS[part.kind].base_form)
        if base:
            return False
        if isinstance(part, Grant | Lift):
            return part.node in self._where
        return isinstance(part, Void | Birth) or (isinstance(part, Delivery) and self._delivered)

    def _part(self, part: object, fact: Fact, base: bool) -> Part:
        comes_to, by = self._came(part, fact)
        if isinstance(part, Restriction):
            return Part(part.kind, str(part.node), part.hi, comes_to, by)
        if isinstance(part, Grant):
            notice = {"notice_id": part.notice_id, "notice_version": part.notice_version}
            return Part("grant", str(part.node), part.lo, comes_to, by, part.valid_until, part.level, **notice)
        if isinstance(part, Lift):
            return Part("lift", str(part.node), part.lo, comes_to, by, about=part.kind)
        if isinstance(part, Void):
            return Part("void", str(EVERYTHING), part.since, comes_to, by, about=part.selector)
        if isinstance(part, Birth):
            return Part("birth", str(EVERYTHING), part.hi, comes_to, by)
        assert isinstance(part, Delivery)
        return Part("bounce" if part.bounced else "delivery", str(EVERYTHING), part.time, comes_to, by)

    def _came(self, part: object, fact: Fact) -> tuple[str, tuple[str, ...]]:
        if is_later(part, fact, self._at):
            return "later", ()
        if isinstance(part, Lift | Void) or (isinstance(part, Delivery) and not part.bounced):
            verb = "lifts" if isinstance(part, Lift) else "voids" if isinstance(part, Void) else "answers"
            return verb if part.id in self._causes.used else "", ()
        assert isinstance(part, Restriction | Grant | Birth | Delivery)
        reg = self._registers[fact.key]
        known = self._causes.of.get((fact.key, part))
        if known is not None and _held(reg, part):
            return known
        by = slot_of(reg, part)
        return "replaced", () if by is None else (by,)

    def _over(self, fact: Fact) -> Link | None:
        """Links lead from a contact to an address or back, so what a fact came over is of the other kind."""
        others = [
            each
            for each in self._around.get((fact.partition, fact.offset), ())
            if each.id == fact.id and kind_of(each.key) != kind_of(fact.key)
        ]
        if not others:
            return None
        nearest = min(others, key=lambda each: (each.derived, each.key))
        return Link(nearest.key.hex(), kind_of(nearest.key), not nearest.derived)


def _held(reg: Registers, part: Restriction | Grant | Birth | Delivery) -> bool:
    """Whether it is this very part that is kept."""
    if isinstance(part, Restriction):
        return reg.restrictions.get(part[:3]) == part
    if isinstance(part, Grant):
        return part in reg.groups.get(part[4:7], ())
    if isinstance(part, Birth):
        return reg.births.get(part[:2]) == part
    return reg.bounced == part
