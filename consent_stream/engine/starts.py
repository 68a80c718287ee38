"""Where to start reading a source partition. Pure: every offset is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceState:
    """What the tables fed by a source partition say about it.

    applied: offset after the last slice in the local store of the same topic incarnation; None when unknown.
    rewind: the state was lost with its changelog, so the whole source must be folded again.
    """

    applied: int | None = None
    rewind: bool = False


@dataclass(frozen=True)
class Start:
    """offset: where to read. committed: what the group had. lost: records removed before this group read them."""

    offset: int
    committed: int | None
    lost: int = 0
    rewound: bool = False


def choose_start(committed: int | None, state: SourceState, low: int, end: int) -> Start:
    """max(group commit, offset in the store), inside [low, end]; the low watermark when the state must be rebuilt.

    Why max: a store is written before the group commits, and a changelog is proven before either.
    An offset past the end means that the log was replaced or cut: everything in it is new.
    """
    if state.rewind:
        return Start(low, committed, rewound=committed is not None and committed > low)
    wanted = max(-1 if committed is None else committed, -1 if state.applied is None else state.applied)
    if wanted < 0:
        return Start(low, committed)
    if wanted < low:
        return Start(low, committed, lost=low - wanted)
    if wanted > end:
        return Start(low, committed, rewound=True)
    return Start(wanted, committed)
