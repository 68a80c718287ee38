"""The loop of a scrub: rows in parts, each asked about at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from consent_stream.gate.scrub.tally import Tally
from consent_stream.gate.sift import Sifted

GAPS = ("not_ready", "stale")
Ask = Callable[[Sequence[str], Sequence[str | None] | None], Sifted]


class Unproven(Exception):
    """The gate could not answer any more: the list as far as it is cleaned is none."""


class Stopped(Exception):
    """Somebody asked to stop."""


class Rows(Protocol):
    """A file on its way through: `CsvList` or `ParquetList`. Parts are those of `csvrows`, or have the same fields."""

    def parts(self) -> Iterator[Any]:
        """Rows in the order of the file."""

    def write(self, part: Any, reasons: Sequence[tuple[str, ...]]) -> None:
        """Rows without a reason to the kept ones, the others to the removed ones."""


def scrub(
    rows: Rows,
    ask: Ask,
    tally: Tally,
    ready: Callable[[], bool],
    stopped: Callable[[], int],
    seen: Callable[[int, int], None],
) -> None:
    """Send every row where it belongs. seen: called with bytes and rows of each part.

    Errors: Unproven when the gate is stale or not ready; Stopped; OSError.
    """
    for part in rows.parts():
        if stopped():
            raise Stopped
        reasons: list[tuple[str, ...]] = []
        if part.addresses:
            reasons = ask(part.addresses, part.contacts).reasons
            _refuse_gaps(reasons, ready)
        rows.write(part, reasons)
        tally.rows(part.addresses, reasons)
        tally.broken_at([each.line for each in part.broken])
        tally.blank += part.blank
        seen(part.bytes, len(reasons) + len(part.broken))


def _refuse_gaps(reasons: Sequence[tuple[str, ...]], ready: Callable[[], bool]) -> None:
    """A single row may be unreadable (`not_ready`): it is removed. A gate that answers nothing ends it all."""
    told = set(reasons)
    gaps = {why for why in told if not set(GAPS).isdisjoint(why)}
    if not gaps:
        return
    none_answered = len(reasons) > 1 and all(why in gaps or why == ("bad_address",) for why in told)
    if none_answered or any("stale" in why for why in gaps) or not ready():
        raise Unproven
