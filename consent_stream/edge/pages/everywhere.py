"""Whether what a person chose is in force at all senders: asked of `consent.gates`, not too often."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal

from consent_stream.inspection.barrier import Barrier
from consent_stream.inspection.gatereports import NoSuchEvent
from consent_stream.inspection.topicread import Unread

State = Literal["in_force", "waiting", "spooled", "unknown"]
# partition → offset, seconds → how it stands at all gates; it blocks. Errors: NoSuchEvent, Unread.
Ask = Callable[[Mapping[int, int], float], Barrier]
RECEIPT = re.compile(r"\d{1,6}:\d{1,18}", re.ASCII)
MOST, AT_ONCE, KEPT = 20, 4, 5000


def read_receipts(text: str) -> tuple[str, ...] | None:
    """The receipts of a URL; None for what is none. An empty text is no receipts."""
    found = tuple(each for each in text[:500].split(",") if each)
    if len(found) > MOST or not all(each == "spooled" or RECEIPT.fullmatch(each) for each in found):
        return None
    return found


def furthest(receipts: tuple[str, ...]) -> dict[int, int]:
    """The greatest offset of each partition."""
    wanted: dict[int, int] = {}
    for partition, offset in (map(int, each.split(":")) for each in receipts if each != "spooled"):
        wanted[partition] = max(offset, wanted.get(partition, -1))
    return wanted


class Everywhere:
    """Asks for a few people at once. Who finds no place is told `waiting` and comes again."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._asking = 0
        self._passed: OrderedDict[tuple[str, ...], None] = OrderedDict()

    async def state(self, receipts: tuple[str, ...], seconds: float = 0) -> State:
        """How it stands, after at most so many seconds."""
        if "spooled" in receipts:
            return "spooled"
        if not receipts:
            return "unknown"
        if receipts in self._passed:  # what is in force stays so
            return "in_force"
        if self._asking >= AT_ONCE:
            return "waiting"
        self._asking += 1
        try:
            found = await asyncio.to_thread(self._ask, furthest(receipts), seconds)
        except NoSuchEvent:
            return "unknown"
        except Unread:
            return "waiting"
        finally:
            self._asking -= 1
        if not found.passed:
            return "waiting"
        self._passed[receipts] = None
        while len(self._passed) > KEPT:
            self._passed.popitem(last=False)
        return "in_force"
