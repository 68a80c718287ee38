"""Plots as geometry: templates draw them as SVG. Pure.

Each has a title and a description that a screen reader says, and the same numbers stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 360, 130
LEFT, RIGHT, TOP, BOTTOM = 40, 6, 8, 22  # room for the axes
_STEPS = (1, 2, 5)


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    said: str


class Tick(NamedTuple):
    """A mark on an axis. at: its place, in x or in y."""

    at: float
    said: str


class Plot(NamedTuple):
    """bars, or the lines of a curve (points as SVG has them; a gap begins a new one)."""

    title: str
    desc: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[str, ...] = ()


def bars(title: str, desc: str, values: Sequence[tuple[str, int]], marks: Sequence[str]) -> Plot:
    """A bar for each (label, value), and what stands below it, if not empty."""
    top = ceiling(max((value for _, value in values), default=0))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    drawn, ticks = [], []
    for at, (label, value) in enumerate(values):
        x, high = LEFT + at * step, _high(value, top)
        drawn.append(
            Bar(_round(x), _round(HEIGHT - BOTTOM - high), _round(step * 0.8), _round(high), f"{label}: {value}")
        )
        if marks[at]:
            ticks.append(Tick(_round(x + step * 0.4), marks[at]))
    return Plot(title, desc, tuple(ticks), _up(top), tuple(drawn))


def curve(title: str, desc: str, values: Sequence[tuple[str, float | None]], every: int) -> Plot:
    """A line through the values; None is a gap."""
    top = ceiling(max((value for _, value in values if value is not None), default=0))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    lines: list[list[str]] = [[]]
    marks = []
    for at, (label, value) in enumerate(values):
        x = LEFT + at * step
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{_round(x)},{_round(HEIGHT - BOTTOM - _high(value, top))}")
        if at % every == 0:
            marks.append(Tick(_round(x), label))
    return Plot(title, desc, tuple(marks), _up(top), (), tuple(" ".join(line) for line in lines if line))


def ceiling(value: float) -> int:
    """The least of 1, 2, 5, 10, 20, … that is not below it."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= value:
                return step * power
        power *= 10


def _high(value: float, top: int) -> float:
    return value / top * (HEIGHT - TOP - BOTTOM)


def _up(top: int) -> tuple[Tick, ...]:
    marks = [0, top] if top == 1 else [0, top / 2, top]
    return tuple(Tick(_round(HEIGHT - BOTTOM - _high(each, top)), _short(each)) for each in marks)


def _short(value: float) -> str:
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _round(value: float) -> float:
    return round(value, 1)
