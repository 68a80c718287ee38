"""Dates as exports write them → RFC 3339 in UTC. What could be read in two ways is not read.

A time without a zone is taken for UTC: an import row is read by its UTC day, and that interval is as wide as the zones
of the earth (RULES §3, `dated`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from consent_stream.domain.times import day_of, parse_day, parse_instant

_SECONDS = re.compile(r"([0-9]{9,10})(\.[0-9]{1,9})?", re.ASCII)  # since the epoch, 1973 to 2286
_MILLISECONDS = re.compile(r"([0-9]{12,13})", re.ASCII)
_DAY_AND_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]+)?", re.ASCII)
_SPACED_ZONE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9:.]+) ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})", re.ASCII)


def read_time(text: str) -> str:
    """RFC 3339 in UTC, empty when the text is no date or an ambiguous one (`03/04/2024`).

    Read are: seconds (or milliseconds) since the epoch, YYYY-MM-DD, YYYY-MM-DD HH:MM[:SS], RFC 3339.
    """
    text = text.strip()
    if match := _SECONDS.fullmatch(text):
        return _utc(int(match[1]))
    if match := _MILLISECONDS.fullmatch(text):
        return _utc(int(match[1]) // 1000)
    if parse_day(text) is not None:
        return f"{text}T00:00:00Z"
    if match := _DAY_AND_TIME.fullmatch(text):
        text = f"{match[1]}T{match[2]}{match[3] or ':00'}Z"
    elif match := _SPACED_ZONE.fullmatch(text):
        zone = "Z" if match[3] == "UTC" else match[3]
        text = f"{match[1]}T{match[2]}{zone if ':' in zone or zone == 'Z' else zone[:3] + ':' + zone[3:]}"
    instant = parse_instant(text)
    return "" if instant is None else _utc(instant // 1_000_000)


def day_text(time: str) -> str:
    """The UTC day, YYYY-MM-DD, of a time that `read_time` gave."""
    instant = parse_instant(time)
    assert instant is not None
    assert parse_day(time[:10]) == day_of(instant)
    return time[:10]


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
