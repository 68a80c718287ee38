"""What was done already: keys of requests, for a while."""

from __future__ import annotations

from collections import OrderedDict

KEPT_S = 86_400.0
MOST = 200_000


class Done:
    """Keys that were marked within the last day, at most `most`; then the oldest goes. In memory: a restart forgets."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._at = most, OrderedDict[object, float]()

    def seen(self, key: object, now: float) -> bool:
        """now: seconds."""
        at = self._at.get(key)
        return at is not None and now - at < KEPT_S

    def mark(self, key: object, now: float) -> None:
        """Only what had its effect: a request that was refused comes again with the same key."""
        self._at[key] = now
        self._at.move_to_end(key)
        while len(self._at) > self._most:
            self._at.popitem(last=False)
