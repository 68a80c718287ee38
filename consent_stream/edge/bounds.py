"""How often a key or a link may: `per_minute` and `burst` of a room's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consent_stream.edge.config import ConfigError
from consent_stream.edge.rates import Rate
from consent_stream.http.problems import Problem

ENTRIES = ("per_minute", "burst")


class Bounds:
    """One for each room; keys and links are counted apart."""

    def __init__(self, where: str, table: Mapping[str, Any], per_minute: int, burst: int, clock: Callable[[], int]):
        """where: the table's name. per_minute, burst: unless the table says otherwise. Errors: ConfigError."""
        found = [table.get("per_minute", per_minute), table.get("burst", burst)]
        for name, value in zip(ENTRIES, found, strict=True):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 10_000_000:
                raise ConfigError(f"{where}.{name}: a whole number from 1 is expected")
        self._rate, self._clock = Rate(*found), clock

    def take(self, who: str) -> None:
        """Count one. Errors: Problem `too-many`, which says when to come again: nothing is dropped in silence."""
        if seconds := self._rate.wait(who, self._clock()):
            raise Problem("too-many", "too often; nothing was taken", headers={"Retry-After": str(seconds)})
