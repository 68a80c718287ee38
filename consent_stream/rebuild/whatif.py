"""Who would be answered otherwise under another policy. Pure.

A policy is read in two places (RULES §9), so a question is decided three times: as it stands, by the new rules on the
same registers, and by the new rules on registers whose events were qualified by the new policy. The first step comes
true when workers start with it. The second comes true for events as they come in from then on: what is in the ledger
stays as it was qualified.

The questions to an address: each purpose, with scope `*` and with every scope that its own restrictions and grants
name. No other scope has an answer of its own: a question is covered by the nodes above it (`nodes.path`), so it is
answered as the longest of these scopes that it lies under.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import CHANNEL_MASK
from consent_stream.domain.nodes import ANY, CHANNELS, PURPOSES
from consent_stream.domain.policy import Policy, Tenant
from consent_stream.domain.registers import Registers

DECISION, INTAKE = "decision", "intake"  # which step makes the difference
MOST_ROWS = 10_000  # of a tally: scopes are others' text, and may be as many as people
OTHER_SCOPES = "…"
NOBODY = Registers()


class Flip(NamedTuple):
    """A question that a step answers otherwise.

    channel: of the address asked about. before, after: the reasons against; none when it is allowed.
    """

    through: str
    tenant: str
    channel: str
    purpose: str
    scope: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def direction(self) -> str:
        """`allow→deny`, or `deny→allow`."""
        return "deny→allow" if self.before else "allow→deny"


def same_rules(old: Tenant, new: Tenant) -> bool:
    """Whether both decide alike: the settings that are read at the decision are the same."""
    return (old.min_evidence, old.allow_migrated) == (new.min_evidence, new.allow_migrated) and all(
        old.needs_grant(purpose) == new.needs_grant(purpose) for purpose in PURPOSES
    )


def flips(before: Registers, after: Registers, old: Tenant, new: Tenant, at: int) -> Iterator[Flip]:
    """Every question to one address that either step answers otherwise at instant `at`.

    before, after: its registers by the facts as they stand, and with events qualified anew; one object when nothing
    was. Laws: equal registers and rules flip nothing; each flip turns an allow into a deny or back.
    """
    tenant, channels = before.tenant or after.tenant, before.channels | after.channels
    if before is after and same_rules(old, new):
        return
    for channel in CHANNELS:
        if channels & CHANNEL_MASK[channel]:
            for purpose in PURPOSES:
                for scope in _scopes(purpose, channel, before, after):
                    yield from _steps((tenant, channel, purpose, scope), before, after, old, new, at)


def everyone_else(tenant: str, old: Tenant, new: Tenant, at: int) -> Iterator[Flip]:
    """The same for whoever is on no list: nothing is known, so scopes do not matter."""
    for channel in CHANNELS:
        for purpose in PURPOSES:
            yield from _steps((tenant, channel, purpose, ANY), NOBODY, NOBODY, old, new, at)


def _scopes(purpose: str, channel: str, *registers: Registers) -> list[str]:
    found = {ANY}
    for reg in registers:
        nodes = [part.node for part in reg.restrictions.values()] + [grant.node for grant in reg.grants]
        found.update(x.scope for x in nodes if x.purpose == purpose and x.channel in (ANY, channel))
    return sorted(found)


def _steps(
    about: tuple[str, str, str, str], before: Registers, after: Registers, old: Tenant, new: Tenant, at: int
) -> Iterator[Flip]:
    _, channel, purpose, scope = about
    x = question(purpose, channel, scope)

    def reasons(reg: Registers, rules: Tenant) -> tuple[str, ...]:
        return decide(x, at, (View(reg),), rules, channel).reasons

    stands = reasons(before, old)
    ruled = reasons(before, new)
    if bool(stands) != bool(ruled):
        yield Flip(DECISION, *about, stands, ruled)
    if after is not before:
        anew = reasons(after, new)
        if bool(ruled) != bool(anew):
            yield Flip(INTAKE, *about, ruled, anew)


def judged_tenants(old: Policy, new: Policy, only: str | None) -> list[str]:
    """Tenants that either policy names, in order."""
    return [each for each in sorted({*old.tenants, *new.tenants}) if only in (None, each)]


class Tally:
    """Flips counted by what they have in common: memory has a bound, whatever scopes people are asked about."""

    def __init__(self) -> None:
        self.flips: Counter[Flip] = Counter()
        self.keys = 0  # that flip in some question
        self.judged = 0

    def add(self, found: Sequence[Flip]) -> None:
        """The flips of one key."""
        self.judged += 1
        self.keys += bool(found)
        for flip in found:
            known = flip if flip in self.flips or len(self.flips) < MOST_ROWS else flip._replace(scope=OTHER_SCOPES)
            self.flips[known] += 1

    def rows(self) -> list[tuple[Flip, int]]:
        """What flips, the most frequent first, with the number of addresses."""
        return sorted(self.flips.items(), key=lambda row: (-row[1], row[0]))
