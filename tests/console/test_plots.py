"""Geometry of plots, and words for numbers."""

import pytest

from consent_stream.console import words
from consent_stream.console.plots import HEIGHT, LEFT, WIDTH, bars, ceiling, curve


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 5), (7, 10), (11, 20), (21, 50), (999, 1000), (0.2, 1)])
def test_an_axis_ends_at_a_round_number(value, top):
    assert ceiling(value) == top


def test_bars_stand_on_the_base_and_stay_inside():
    plot = bars("t", "d", [(str(at), at) for at in range(48)], ["" if at % 12 else f"{at}h" for at in range(48)])
    assert len(plot.bars) == 48
    assert [tick.said for tick in plot.across] == ["0h", "12h", "24h", "36h"]
    assert [tick.said for tick in plot.up] == ["0", "25", "50"]
    for bar in plot.bars:
        assert bar.y + bar.height == pytest.approx(plot.up[0].at, abs=0.11)
        assert LEFT <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= HEIGHT
    assert plot.bars[0].height == 0
    assert plot.bars[47].said == "47: 47"


def test_of_nothing_a_plot_is_empty_and_has_its_axes():
    for plot in (bars("t", "d", [], []), curve("t", "d", [], 1), curve("t", "d", [("a", None)], 1)):
        assert (plot.bars, plot.lines) == ((), ())
        assert [tick.said for tick in plot.up] == ["0", "1"]


def test_a_curve_has_gaps_where_nothing_is_known():
    plot = curve("t", "d", [("a", 1.0), ("b", 2.0), ("c", None), ("d", 4000.0)], 2)
    assert [line.count(",") for line in plot.lines] == [2, 1]
    assert plot.up[-1].said == "5k"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "not told"), (0.25, "0.2 s"), (9.94, "9.9 s"), (42.4, "42 s"), (60, "1 min"), (3599, "59 min"),
        (12_000, "3 h 20 min"), (200_000, "2 d 7 h"),
    ],
)  # fmt: skip
def test_spans_as_people_read_them(seconds, said):
    assert words.span(seconds) == said


def test_other_words():
    assert [words.count(12345), words.count(None)] == ["12,345", "not told"]
    assert [words.rate(each) for each in (None, 0, 0.25, 12345.6)] == ["not told", "0/s", "0.2/s", "12,346/s"]
    assert words.instant(1_795_557_933_000_000) == "2026-11-24 22:05:33 UTC"
    assert [words.instant(each) for each in (None, -(1 << 63), 1 << 62)] == ["not told", "always", "ever"]
    assert words.plain("a\x1b[31mb‮c") == "a�[31mb�c"
