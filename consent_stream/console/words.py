"""Numbers, spans and instants as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "not told"
_LEAST, _MOST = -62_135_596_800_000_000, 253_402_300_799_000_000  # what a calendar of ours has


def count(number: int | None) -> str:
    """12,345."""
    return UNKNOWN if number is None else f"{number:,}"


def rate(number: float | None) -> str:
    """Records a second."""
    if number is None:
        return UNKNOWN
    return f"{number:,.0f}/s" if number >= 10 or number == 0 else f"{number:.1f}/s"


def span(seconds: float | None) -> str:
    """0.3 s, 42 s, 5 min, 3 h 20 min, 2 d 4 h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def instant(micros: int | None) -> str:
    """2026-11-24 21:05:33 UTC. Units: microseconds since 1970."""
    if micros is None:
        return UNKNOWN
    if not _LEAST <= micros <= _MOST:
        return "ever" if micros > 0 else "always"
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(micros: int) -> str:
    """21:05, UTC."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%H:%M")


def day_and_hour(micros: int) -> str:
    """11-24 21h, UTC."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%m-%d %Hh")


def plain(text: str) -> str:
    """What somebody else chose can neither move nor hide what is shown."""
    return "".join(char if char.isprintable() else "�" for char in text)
