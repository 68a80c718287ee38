"""What a gate knows besides rows, as of one instant; and how a store tells it to the processes that read it.

1. `Known` is never changed, only replaced: an answer rests on one of them from its beginning to its end.
2. What a follower knows stands in its store as notes, written in the transaction of the rows that it speaks of. `head`
   holds the bounds of freshness as instants of both clocks, `beat/Q` the newest heartbeat of a partition, `control/…`
   the newest record of each name. So one reading transaction sees rows and proof as they belong together.
3. Instants of the steady clock mean nothing after another boot: `head` names the boot it was written in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from consent_stream.domain.policy import Policy
from consent_stream.gate.freshness import Fresh
from consent_stream.wire.stops import EVERY, Covered, Stop

Phase = Literal["connecting", "catching up", "following", "refused", "closed"]
PHASES = ("connecting", "catching up", "following", "refused", "closed")
Get = Callable[[bytes], bytes | None]  # the row of a key
HEAD, BEAT, CONTROL = b"head", b"beat/", b"control/"


class Known(NamedTuple):
    """All that an answer rests on but rows.

    session: changes before rows may vanish; an answer that spans two sessions is none. keys: fingerprints of the root
    keys that the list is written with. control_at: all that was in consent.control at that instant (µs, steady) is
    obeyed.
    """

    session: int
    complete: bool
    applied: Fresh | None
    settled: Fresh | None
    control_at: int | None
    policy: Policy | None
    keys: Mapping[str, str]
    stops: Mapping[Covered, Stop]

    def stopped(self, tenant: str, channel: str) -> bool:
        """Whether a kill switch is on for a tenant's messages in a channel."""
        on = self.stops
        return any((t, c) in on for t in (tenant, EVERY) for c in (channel, EVERY))


NOTHING = Known(0, False, None, None, None, None, {}, {})


@dataclass(frozen=True)
class Head:
    """The note `head`.

    origin: name of the topic. written: when (µs, steady clock of `boot`). told: counts changes of the other notes.
    names: of the control records there are, in hex; notes of others are of a topic that was there before.
    """

    boot: str
    pid: int
    origin: str
    written: int
    phase: Phase
    trouble: str | None
    caught_up: bool
    partitions: int
    applied: Fresh | None
    settled: Fresh | None
    control_at: int | None
    told: int
    names: Sequence[str]
    alarms: Mapping[str, int]

    def encode(self) -> bytes:
        return orjson.dumps(vars(self), default=list)


def decode_head(value: bytes | None) -> Head | None:
    """None when it is none, or of a version that is not known here: then nothing is known."""
    try:
        table: Any = orjson.loads(value or b"")
        head = Head(**{**table, "applied": _fresh(table["applied"]), "settled": _fresh(table["settled"])})
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if not isinstance(head.origin, str) or not isinstance(head.alarms, dict) or not isinstance(head.names, list):
        return None
    whole = (head.written, head.partitions, head.told, head.control_at or 0)
    if head.phase not in PHASES or not all(type(number) is int for number in whole):
        return None
    return head


def _fresh(bound: Any) -> Fresh | None:
    if bound is None:
        return None
    if not all(type(number) is int for number in bound):
        raise TypeError("a bound of freshness that is none")
    return Fresh(*bound)
