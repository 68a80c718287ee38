"""What the lists must say after a given `consent.events`: the rules alone, one event after the other, no engine.

The same pure functions as the worker's (`take_in`, `apply`, `derive`, `standing`) in the simplest loop there is: dicts,
no slices, no partitions, no broker. What the worker adds to them is what is judged.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from consent_stream.domain.derive import derive
from consent_stream.domain.facts import Fact, Part
from consent_stream.domain.policy import Policy
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import LISTS, concerns, lists_of, standing
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import HEARTBEAT_KEY, Keyring
from consent_stream.wire.suppression import decode_entry, encode_entry


class Given(NamedTuple):
    """A record of `consent.events`; `received` its append time in microseconds."""

    partition: int
    offset: int
    received: int
    value: bytes


class WrongLists(Exception):
    """The lists are not what the rules say; the text counts what is wrong and names no one."""


def fold(events: Iterable[Given], policy: Policy, ring: Keyring) -> dict[bytes, Registers]:
    """The final registers of every subject key."""
    registers: dict[bytes, Registers] = {}
    for given in events:
        place = (given.partition, given.offset)
        _settle(registers, take_in(given.value, given.received, place, policy, ring.subject).facts)
    return registers


def _settle(registers: dict[bytes, Registers], facts: Iterable[Fact]) -> None:
    """Join facts in, and whatever follows from them for linked keys, until nothing follows any more."""
    waiting = deque(facts)
    while waiting:
        fact = waiting.popleft()
        reg = registers.setdefault(fact.key, Registers())
        waiting.extend(derive(reg, reg.apply(fact), fact))


def check_lists(
    registers: Mapping[bytes, Registers],
    lists: Mapping[str, Mapping[bytes, bytes]],
    policy: Policy,
    received: Mapping[tuple[int, int], int],
) -> tuple[int, str]:
    """Compare the latest value of every key in every suppression topic with the oracle's, byte for byte.

    Two things only the run can know are taken from the record: its version (a ledger offset) and its cause (which of
    several events came last); the standing is then computed for the cause's own append time, `received[cause]`.

    Returns: how many records were compared, and a digest of them with version and cause left out.
    Errors: WrongLists.
    """
    total, compared, wrong, missing = hashlib.sha256(), 0, 0, 0
    for channel in LISTS:
        wanted = {key for key, reg in registers.items() if _belongs(reg, channel)}
        found = {key: value for key, value in lists[channel].items() if key[:2] != HEARTBEAT_KEY[:2]}
        missing += len(wanted ^ found.keys())
        for key in sorted(wanted & found.keys()):
            entry = decode_entry(found[key])
            reg, place = registers[key], (entry.cause_partition, entry.cause_offset)
            at = received.get(place, 0)
            cause = Fact(key, reg.channels, reg.tenant, entry.cause_id, "", "", at, *place, False, ())
            stands = standing(reg, channel, policy.tenant(reg.tenant), at)
            wrong += found[key] != encode_entry(reg, channel, stands, cause, entry.version, entry.generation)
            timeless = cause._replace(id="", received=0, partition=0, offset=0)
            blank = encode_entry(reg, channel, stands._replace(label=""), timeless, 0)
            total.update(len(blank).to_bytes(4, "big") + key + blank)
            compared += 1
    if wrong or missing:
        raise WrongLists(f"of {compared} records on the lists {wrong} differ, {missing} keys are missing or too many")
    return compared, total.hexdigest()[:32]


def _belongs(reg: Registers, channel: str) -> bool:
    """Whether a key has anything that concerns the list."""
    parts: list[Part] = [*reg.restrictions.values(), *reg.grants, *reg.voids.values(), *reg.births.values()]
    parts += [lift for slot in reg.lifts.values() for lift in slot]
    parts += [delivery for delivery in (reg.bounced, reg.delivered) if delivery]
    return channel in lists_of(reg.channels) and any(concerns(part, channel, reg) for part in parts)
