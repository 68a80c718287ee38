"""Instants (integer microseconds since the epoch, UTC), intervals of a fact by clock class, and calendar months."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TOLERANCE = 5 * MINUTE  # how far a claimed time may lie ahead of the append time
FAR = 253_402_300_799 * SECOND  # 9999-12-31T23:59:59Z: nothing lies beyond it
_YEAR_1990 = 631_152_000 * SECOND
_EPOCH_DAY = 719_163  # date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)
_TAIL = re.compile(r"(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Interval(NamedTuple):
    """When a fact happened, at the earliest and at the latest. A grant uses `lo` only, a restriction `hi` only."""

    lo: int
    hi: int
    fault: str = ""  # why a permission may not use it: `no_time` or `future_time`


def parse_instant(text: object) -> int | None:
    """Microseconds of an RFC 3339 text, digits beyond them dropped; None for anything else, zoneless included."""
    if not isinstance(text, str):
        return None
    seconds = _seconds(text[:19])
    if seconds is None:
        return None
    if text[19:] == "Z":
        return seconds * SECOND
    tail = _TAIL.fullmatch(text, 19)
    if tail is None:
        return None
    fraction, zone = tail.groups()
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[4:])
        if hours > 23 or minutes > 59:
            return None
        seconds += (hours * 3600 + minutes * 60) * (1 if zone[0] == "-" else -1)
    return seconds * SECOND + (int(fraction[:6].ljust(6, "0")) if fraction else 0)


@lru_cache(8192)
def _seconds(text: str) -> int | None:
    """Seconds of YYYY-MM-DDTHH:MM:SS in UTC; events come in bursts within one."""
    if len(text) != 19 or not (text[4] == text[7] == "-" and text[13] == text[16] == ":" and text[10] in "Tt"):
        return None
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    return since.days * 86_400 + since.seconds


def parse_day(text: str) -> int | None:
    """The ordinal (`date.toordinal`) of YYYY-MM-DD, else None."""
    return _parse_day(text) if len(text) == 10 and text.isascii() else None


@lru_cache(4096)
def _parse_day(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() if text[4] == text[7] == "-" else None
    except ValueError:
        return None


def day_of(instant: int) -> int:
    """The ordinal of the UTC day that holds `instant`."""
    return instant // DAY + _EPOCH_DAY


def start_of(ordinal: int) -> int:
    """The instant at which the UTC day `ordinal` begins."""
    return (ordinal - _EPOCH_DAY) * DAY


def dated_hi(ordinal: int) -> int:
    """When a calendar day has ended everywhere."""
    return start_of(ordinal + 1) + 12 * HOUR - 1


def interval(clock: str, time: int | None, received: int) -> Interval:
    """[lo, hi] of a fact by the clock class of its source (RULES §3). `time` is the claim, None if unreadable."""
    if time is None or time < _YEAR_1990:
        return Interval(received, received, "no_time")
    claimed = start_of(day_of(time)) if clock == "dated" else time
    if claimed > received + TOLERANCE:
        return Interval(received, received, "no_time" if clock == "undated" else "future_time")
    if clock == "ours":
        lo, hi = time, time + SECOND
    elif clock == "signed":
        lo, hi = time - TOLERANCE, min(time + TOLERANCE, max(received, time))
    elif clock == "dated":
        lo, hi = claimed - 14 * HOUR, dated_hi(day_of(time))
    else:
        return Interval(received, received, "no_time")
    return Interval(min(lo, received), hi)


def add_months(instant: int, months: int) -> int:
    """Calendar months later in UTC, clamped to the month's end: 29 Feb 2024 + 24 months = 28 Feb 2026."""
    days, rest = divmod(instant, DAY)
    later = _months_later(days, months)
    return FAR if later is None else later * DAY + rest


@lru_cache(4096)
def _months_later(days: int, months: int) -> int | None:
    """The same for days since the epoch; None beyond the calendar."""
    try:
        day = date.fromordinal(days + _EPOCH_DAY)
        years, month = divmod(day.month - 1 + months, 12)
        year, month = day.year + years, month + 1
        later = day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))
        return later.toordinal() - _EPOCH_DAY
    except (ValueError, OverflowError):
        return None


@lru_cache(4096)
def adult_from(birth: int) -> int:
    """The end of the 16th birthday in UTC-12, the last to see it; born 29 Feb counts as 1 Mar (RULES §7)."""
    born = date.fromordinal(birth)
    if born.year + 16 > 9998:
        return FAR
    day = date(born.year + 16, 3, 1) if (born.month, born.day) == (2, 29) else born.replace(year=born.year + 16)
    return start_of(day.toordinal() + 1) + 12 * HOUR


def years_before(ordinal: int, years: int) -> int:
    """The latest birth date of a person who has turned `years` on the day `ordinal`."""
    day = date.fromordinal(ordinal)
    if day.year <= years:
        return 1
    if (day.month, day.day) == (2, 29):
        return date(day.year - years, 2, monthrange(day.year - years, 2)[1]).toordinal()
    return day.replace(year=day.year - years).toordinal()
