"""Which records somebody asked to see. Pure."""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.nodes import ANY
from consent_stream.inspection.records import Raw, Row


class Wanted(NamedTuple):
    """Every part must hold; of several values of one part, one. Empty: all.

    key: the beginning of a subject key in hex. since, until: when the record was written (µs), `until` exclusive.
    """

    tenants: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    key: str = ""
    since: int | None = None
    until: int | None = None

    def may_hold(self, raw: Raw) -> bool:
        """What can be told before a record is decoded, which costs most."""
        at = raw.written
        if at is not None and (
            (self.since is not None and at < self.since) or (self.until is not None and at >= self.until)
        ):
            return False
        return not self.key or (raw.key is not None and raw.key.hex().startswith(self.key))

    def holds(self, row: Row) -> bool:
        """Of a row that `may_hold`. One that cannot be read is wanted, for it may be what is looked for."""
        return row.trouble is not None or (
            (not self.tenants or row.tenant in self.tenants)
            and _some(self.channels, row.channels)
            and _some(self.purposes, row.purposes, every=ANY)
            and _some(self.kinds, row.kinds)
            and _some(self.reasons, row.reasons)
            and (not self.types or row.type in self.types)
            and (not self.sources or row.source in self.sources)
        )


def _some(wanted: tuple[str, ...], found: tuple[str, ...], every: str | None = None) -> bool:
    return not wanted or any(each in wanted or each == every for each in found)
