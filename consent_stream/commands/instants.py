"""Instants on a command line: a time of RFC 3339, or how long ago."""

from __future__ import annotations

import re
import time
from typing import Any

import click

from consent_stream.domain.times import DAY, HOUR, MINUTE, SECOND, parse_instant

UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


def instant_given(text: str | None, flag: str) -> int | None:
    """The instant (µs) of a flag that takes an RFC 3339 time alone. Errors: BadParameter, which names the flag."""
    instant = parse_instant(text)
    if text is not None and instant is None:
        raise click.BadParameter("an RFC 3339 time with a zone is expected", param_hint=flag)
    return instant


class Instant(click.ParamType):
    """`2026-03-01T12:00:00Z`, or `90s`, `5m`, `2h`, `3d` ago; as microseconds since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Errors: click's own, one line."""
        if isinstance(value, int):
            return value
        if ago := AGO.fullmatch(value):
            return time.time_ns() // 1000 - int(ago[1]) * UNITS[ago[2]]
        instant = parse_instant(value)
        if instant is None:
            self.fail(f"{value!r} is neither an RFC 3339 time with a zone nor 90s, 5m, 2h or 3d", param, ctx)
        return instant
