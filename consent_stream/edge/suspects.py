"""Clicks that look like a scanner's: marked on the event, applied all the same. Holds what it saw for a few minutes.

Mail security services open the links of a message to look at them, some press the button. Marks, in `data.suspect`:
`known_range` the request comes from a network that is configured as a scanner's · `too_soon` it comes within seconds of
the message's making · `many_links` the same network used another link within seconds · `head_first` the same network
looked at this link by HEAD before.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from consent_stream.edge.clients import Network, network, within

SECOND = 1_000_000
MINUTES = 300 * SECOND
KEPT = 20_000


class Watch:
    """What was seen of late. seconds: how soon is too soon."""

    def __init__(self, ranges: Iterable[Network] = (), seconds: float = 10) -> None:
        self._ranges = tuple(ranges)
        self._soon = int(seconds * SECOND)
        self._heads: OrderedDict[tuple[str, bytes], int] = OrderedDict()
        self._links: OrderedDict[str, tuple[bytes, int]] = OrderedDict()

    def head(self, token: str, remote: str | None, at: int) -> None:
        """A HEAD of a link. at: µs."""
        _keep(self._heads, (network(remote), _digest(token)), at)

    def marks(self, token: str, issued: int, remote: str | None, at: int) -> list[str]:
        """The marks of a press. issued: of the token (s). at: µs."""
        found, home, link = [], network(remote), _digest(token)
        if within(remote, self._ranges):
            found.append("known_range")
        if 0 <= at - issued * SECOND < self._soon:
            found.append("too_soon")
        last = self._links.get(home)
        if home and last is not None and last[0] != link and at - last[1] < self._soon:
            found.append("many_links")
        if home and at - self._heads.get((home, link), -MINUTES) < MINUTES:
            found.append("head_first")
        _keep(self._links, home, (link, at))
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()[:16]


def _keep(kept: OrderedDict, key: object, value: object) -> None:  # type: ignore[type-arg]
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)
