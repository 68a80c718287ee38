"""The state stage: facts of the ledger folded into the registers of their keys, and what that changes outside.

A function of (rows, facts, policy): the same facts in any slices give the same rows, and a list record of a given
version has the same bytes in each replay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from consent_stream.domain.derive import derive
from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import (
    BLANK,
    Standing,
    lists_concerned,
    lists_of,
    lists_relabelled,
    standing,
    stands_on,
)
from consent_stream.wire.change import encode_change
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.schemas import CONSENT_CHANGE
from consent_stream.wire.state import decode_registers, encode_registers
from consent_stream.wire.suppression import encode_entry

REMEMBERED = 10_000  # keys at least, and twice as many at most, whose registers are kept decoded, a few KiB each


class Effects(NamedTuple):
    """All that one slice changes. Keys are subject keys, values are wire bytes."""

    rows: dict[bytes, bytes]  # of the table and its changelog
    entries: list[tuple[str, bytes, bytes]]  # (list, key, value)
    changes: list[tuple[bytes, bytes]]
    derived: list[tuple[bytes, bytes]]  # facts for the ledger
    foreign: list[int]  # ledger offsets of facts of one tenant under a key of another: not folded


class _Subject:
    """One key while its facts are folded."""

    __slots__ = ("changed", "reg", "standings", "touched")

    def __init__(self, reg: Registers) -> None:
        self.reg = reg
        self.changed = False
        self.standings: dict[str, Standing] = {}
        self.touched: dict[str, tuple[Fact, int, Standing]] = {}  # the last fact that changed each list, its version


class Folder:
    """Folds slices. Remembers decoded registers of recent keys; a row that differs from memory is read anew."""

    def __init__(self, policy: Policy, generation: int = 0, change_header: bytes = CONSENT_CHANGE) -> None:
        self._policy = policy
        self._change_header = change_header
        self._generation = generation
        self._recent: dict[bytes, tuple[bytes, Registers]] = {}
        self._older: dict[bytes, tuple[bytes, Registers]] = {}

    def fold(self, facts: Sequence[tuple[int, Fact]], rows: Iterable[tuple[bytes, bytes | None]]) -> Effects:
        """Fold facts, given with their ledger offsets, into the rows of the keys they name."""
        subjects = {key: _Subject(self._registers(key, row)) for key, row in rows}
        effects = Effects({}, [], [], [], [])
        for offset, fact in facts:
            self._join(subjects[fact.key], fact, offset + 1, effects)
        for key, subject in subjects.items():
            if subject.changed:
                row = effects.rows[key] = encode_registers(subject.reg)
                self._remember(key, row, subject.reg)
                for channel, (fact, version, now) in subject.touched.items():
                    entry = encode_entry(subject.reg, channel, now, fact, version, self._generation)
                    effects.entries.append((channel, key, entry))
        return effects

    def _join(self, subject: _Subject, fact: Fact, version: int, effects: Effects) -> None:
        reg, before = subject.reg, subject.standings
        if reg.tenant and reg.tenant != fact.tenant:
            # An event may name subject keys in hex, and nobody can tell from one whose it is: the row can.
            effects.foreign.append(version - 1)
            return
        rules = self._policy.tenant(fact.tenant)
        fresh, had = not reg.tenant, reg.channels
        wider = bool(had) and fact.channels | had != had
        reg.narrowed = False
        if not fresh:
            everywhere = wider or reg.crowded
            looked_at = lists_of(fact.channels | had) if everywhere else lists_concerned(fact.parts, reg)
            for channel in (*looked_at, *lists_relabelled(fact.parts, had)):
                if channel not in before:
                    before[channel] = standing(reg, channel, rules, fact.received)
        changed = reg.apply(fact)
        if not changed and reg.channels == had:
            return
        subject.changed = True
        lists = lists_concerned(changed, reg)
        if wider or reg.narrowed:  # records say what a key stands for, and what it holds: all are written anew
            lists = tuple(channel for channel in lists_of(reg.channels) if channel in lists or stands_on(channel, reg))
        for channel in dict.fromkeys((*lists, *lists_relabelled(changed, reg.channels))):
            now, was = standing(reg, channel, rules, fact.received), before.get(channel, BLANK)
            before[channel] = now
            if channel in lists:
                subject.touched[channel] = (fact, version, now)
            if now != was:
                change = encode_change(channel, was, now, fact, version, self._change_header)
                effects.changes.append((fact.key, change))
        for follower in derive(reg, changed, fact):
            effects.derived.append((follower.key, encode_fact(follower)))

    def _registers(self, key: bytes, row: bytes | None) -> Registers:
        if row is None:
            return Registers()
        known = self._recent.get(key) or self._older.get(key)
        return known[1] if known is not None and known[0] == row else decode_registers(row)

    def _remember(self, key: bytes, row: bytes, reg: Registers) -> None:
        if len(self._recent) >= REMEMBERED:
            self._older, self._recent = self._recent, {}
        self._recent[key] = (row, reg)
