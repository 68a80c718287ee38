"""How often: token buckets in memory, for links and for networks. A full house forgets the idlest first."""

from __future__ import annotations

from collections import OrderedDict
from math import ceil

KEPT = 50_000


class Rate:
    """At most `burst` at once and `per_minute` in the long run, for each key apart."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._per_us = per_minute / 60e6
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, key: str, at: int) -> int:
        """Seconds to wait, 0 to go on. at: µs. Counts one when it is 0."""
        left, since = self._left.get(key, (float(self._burst), at))
        left = min(self._burst, left + max(0, at - since) * self._per_us)
        seconds = 0 if left >= 1 else ceil((1 - left) / self._per_us / 1e6)
        self._left[key] = (left if seconds else left - 1, at)
        self._left.move_to_end(key)
        while len(self._left) > KEPT:
            self._left.popitem(last=False)
        return seconds
