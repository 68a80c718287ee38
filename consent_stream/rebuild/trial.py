"""A policy tried on a deployment, read only: what it would make of every address on the lists, and of all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from consent_stream.domain.facts import CHANNEL_MASK
from consent_stream.domain.policy import Policy
from consent_stream.domain.registers import Registers
from consent_stream.inspection.topicread import Told
from consent_stream.rebuild.retained import KID, Cut, Fill, cut
from consent_stream.rebuild.tables import Pair, Tables
from consent_stream.rebuild.whatif import Flip, Tally, everyone_else, flips, judged_tenants
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring
from consent_stream.wire.state import decode_registers

ADDRESSES = sum(CHANNEL_MASK.values())
TOLD_EVERY = 1_000


class Trial(NamedTuple):
    """What is tried. at, now: µs; at: the instant to decide for. tenant: of this one alone. group: of the workers."""

    old: Policy
    new: Policy
    keyring: Keyring
    at: int
    now: int
    tenant: str | None
    generation: int
    group: str


class Tried(NamedTuple):
    """facts: read from the ledger. events: retained ones, qualified anew. unreadable: facts of no known schema.

    refused: retained events that the new policy sends to quarantine, by code.
    """

    where: Cut
    tally: Tally
    nobody: list[Flip]
    facts: int
    events: int
    unreadable: int
    refused: Counter[str]


def try_policy(
    settings: Settings, trial: Trial, tell: Callable[[str], Told], flipped: Callable[[bytes, Sequence[Flip]], None]
) -> Tried:
    """Read ledger and retained events once, fold both sides, decide for every address key.

    tell: what begins now → told as it goes with (done, of how many). flipped: called for each key that flips.
    Errors: Unread; Gone; KafkaException; lmdb.Error and OSError for want of room.
    """
    where = cut(settings, trial.generation, trial.group, trial.now)
    with Tables(trial.old) as tables:
        fill = Fill(settings, trial.generation, where, tables, trial.tenant)
        fill.ledger(tell("reading the ledger"))
        tables.fold_kept(tell("folding facts of retained events"))
        fill.retained(trial.new, trial.keyring, tell("qualifying events anew"))
        tally, told, total = Tally(), tell("deciding"), tables.count()
        for done, pair in enumerate(tables.pairs(), 1):
            found = judge(pair, trial)
            if found is not None:
                tally.add(found)
                if found:
                    flipped(pair.key, found)
            if done % TOLD_EVERY == 0:
                told(done, total)
    nobody = [flip for name in judged_tenants(trial.old, trial.new, trial.tenant) for flip in _nobody(name, trial)]
    return Tried(where, tally, nobody, fill.facts, fill.events, fill.unreadable, fill.refused)


def judge(pair: Pair, trial: Trial) -> list[Flip] | None:
    """The flips of one key; None when it is not judged: a contact's, or of a key id that is not live any more."""
    before, after = _registers(pair.before), _registers(pair.after)
    if pair.key[KID] not in trial.keyring.kids or not (before.channels | after.channels) & ADDRESSES:
        return None
    name = before.tenant or after.tenant
    same = before if pair.before == pair.after else after
    return list(flips(before, same, trial.old.tenant(name), trial.new.tenant(name), trial.at))


def _registers(row: bytes | None) -> Registers:
    return Registers() if row is None else decode_registers(row)


def _nobody(name: str, trial: Trial) -> Iterator[Flip]:
    return everyone_else(name, trial.old.tenant(name), trial.new.tenant(name), trial.at)
