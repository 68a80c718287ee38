"""The job every engine of the race does, in the one form that all Python rivals share.

An event raises one of two registers (granted, withdrawn) of one slot (channel/scope) of its key to its own time. Max is
commutative and idempotent, so the final state does not depend on order, batches or redelivery: any engine that loses
nothing ends at the same state. Stdlib only: a rival's own environment must be able to import it.
"""

from __future__ import annotations

from typing import Any

State = dict[str, list[int]]
"""slot → [withdrawn at, granted at], milliseconds since the epoch."""


def apply(state: State, event: dict[str, Any]) -> bool:
    """Raise the register that `event` speaks of; True when the state grew."""
    about = event["data"]
    slot = f"{about['channel']}/{about['scope']}"
    which = 1 if "grant" in event["type"] else 0
    at: int = event["time"]
    registers = state.get(slot)
    if registers is None:
        registers = state[slot] = [0, 0]
    if at <= registers[which]:
        return False
    registers[which] = at
    return True
