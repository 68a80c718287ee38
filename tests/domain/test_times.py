"""Instants, the intervals of the clock classes to the microsecond, months and birthdays."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.times import (
    DAY,
    FAR,
    HOUR,
    MINUTE,
    SECOND,
    Interval,
    add_months,
    adult_from,
    day_of,
    interval,
    parse_day,
    parse_instant,
    start_of,
    years_before,
)


def at(text: str) -> int:
    found = parse_instant(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1969-12-31T23:30:00-00:30", 0),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000_000),
        ("9999-12-31T23:59:59Z", FAR),
    ],
)
def test_instants(text: str, micros: int) -> None:
    assert parse_instant(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", "2026-03-10", "2026-03-10T10:00:00", "2026-03-10 10:00:00Z", "2026-02-29T10:00:00Z", "2026-03-10T24:00:00Z",
     "2026-03-10T10:00:60Z", "2026-03-10T10:00Z", "2026-03-10T10:00:00.Z", "2026-03-10T10:00:00+0100",
     "20260310T100000Z", "2026-W10-2T10:00:00Z", "٢٠٢٦-03-10T10:00:00Z", "2026-03-10T10:00:00Z\n",
     "0000-01-01T00:00:00Z", " 2026-03-10T10:00:00Z", "2026-03-10T10:00:00+24:00", 0, None, True, 1.5,
     ["2026-03-10T10:00:00Z"]],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_instant(text: object) -> None:
    assert parse_instant(text) is None


@given(st.datetimes(), st.integers(-23 * 60, 23 * 60), st.sampled_from(["", ".5", ".123456", ".1234567"]))
def test_zones_shift_and_digits_beyond_microseconds_are_dropped(moment: datetime, minutes: int, fraction: str) -> None:
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    clock = f"{moment:%H:%M:%S}{fraction}"
    text = f"{moment.year:04}-{moment:%m-%d}T{clock}"
    utc, zoned = parse_instant(text + "Z"), parse_instant(f"{text}{sign}{hours:02}:{rest:02}")
    if utc is not None and zoned is not None:
        assert zoned == utc - minutes * MINUTE


RECEIVED = at("2026-03-10T12:00:00Z")
MIDNIGHT = at("2026-03-10T00:00:00Z")


@pytest.mark.parametrize(
    ("clock", "time", "found"),
    [
        ("ours", RECEIVED, Interval(RECEIVED, RECEIVED + SECOND)),
        ("ours", RECEIVED - 1, Interval(RECEIVED - 1, RECEIVED - 1 + SECOND)),
        ("ours", RECEIVED + 5 * MINUTE, Interval(RECEIVED, RECEIVED + 5 * MINUTE + SECOND)),
        ("ours", RECEIVED + 5 * MINUTE + 1, Interval(RECEIVED, RECEIVED, "future_time")),
        ("signed", RECEIVED, Interval(RECEIVED - 5 * MINUTE, RECEIVED)),
        ("signed", RECEIVED - HOUR, Interval(RECEIVED - HOUR - 5 * MINUTE, RECEIVED - HOUR + 5 * MINUTE)),
        ("signed", RECEIVED - MINUTE, Interval(RECEIVED - 6 * MINUTE, RECEIVED)),
        ("signed", RECEIVED + MINUTE, Interval(RECEIVED - 4 * MINUTE, RECEIVED + MINUTE)),
        ("signed", RECEIVED + 5 * MINUTE, Interval(RECEIVED, RECEIVED + 5 * MINUTE)),
        ("dated", RECEIVED, Interval(MIDNIGHT - 14 * HOUR, MIDNIGHT + 36 * HOUR - 1)),
        ("dated", MIDNIGHT, Interval(MIDNIGHT - 14 * HOUR, MIDNIGHT + 36 * HOUR - 1)),
        ("dated", MIDNIGHT + DAY - 1, Interval(MIDNIGHT - 14 * HOUR, MIDNIGHT + 36 * HOUR - 1)),
        ("dated", MIDNIGHT + DAY, Interval(RECEIVED, RECEIVED, "future_time")),
        ("undated", RECEIVED, Interval(RECEIVED, RECEIVED, "no_time")),
        ("undated", RECEIVED + HOUR, Interval(RECEIVED, RECEIVED, "no_time")),
        ("ours", None, Interval(RECEIVED, RECEIVED, "no_time")),
        ("ours", at("1990-01-01T00:00:00Z") - 1, Interval(RECEIVED, RECEIVED, "no_time")),
        ("ours", at("1990-01-01T00:00:00Z"), Interval(at("1990-01-01T00:00:00Z"), at("1990-01-01T00:00:01Z"))),
    ],
)
def test_intervals(clock: str, time: int | None, found: Interval) -> None:
    assert interval(clock, time, RECEIVED) == found


@given(
    st.sampled_from(["ours", "signed", "dated", "undated"]), st.integers(0, 2 * RECEIVED), st.integers(0, 2 * RECEIVED)
)
def test_an_interval_holds_the_claim_and_never_begins_after_its_arrival(clock: str, time: int, received: int) -> None:
    found = interval(clock, time, received)
    assert found.lo <= found.hi
    assert found.lo <= received
    if not found.fault:
        assert found.lo <= time <= found.hi


@pytest.mark.parametrize(
    ("moment", "months", "later"),
    [
        ("2024-02-29T10:00:00Z", 24, "2026-02-28T10:00:00Z"),
        ("2024-02-29T10:00:00Z", 48, "2028-02-29T10:00:00Z"),
        ("2026-01-31T00:00:00.000001Z", 1, "2026-02-28T00:00:00.000001Z"),
        ("2026-12-31T23:59:59Z", 1, "2027-01-31T23:59:59Z"),
        ("2026-10-31T00:00:00Z", 1, "2026-11-30T00:00:00Z"),
        ("2026-11-30T00:00:00Z", 13, "2027-12-30T00:00:00Z"),
    ],
)
def test_months(moment: str, months: int, later: str) -> None:
    assert add_months(at(moment), months) == at(later)


def test_months_beyond_the_calendar_end_it() -> None:
    assert add_months(at("9999-12-01T00:00:00Z"), 1) == FAR
    assert add_months(1 << 80, 24) == FAR


@pytest.mark.parametrize(
    ("born", "until"),
    [
        ("2010-06-01", "2026-06-02T12:00:00Z"),
        ("2012-02-29", "2028-03-02T12:00:00Z"),
        ("2012-02-28", "2028-02-29T12:00:00Z"),
        ("2012-03-01", "2028-03-02T12:00:00Z"),
        ("2009-12-31", "2026-01-01T12:00:00Z"),
    ],
)
def test_the_sixteenth_birthday_ends_in_the_last_zone(born: str, until: str) -> None:
    assert adult_from(date.fromisoformat(born).toordinal()) == at(until)


@pytest.mark.parametrize(
    ("day", "years", "born"),
    [
        ("2026-03-10", 13, "2013-03-10"),
        ("2028-02-29", 13, "2015-02-28"),
        ("2028-02-29", 16, "2012-02-29"),
        ("2027-03-01", 13, "2014-03-01"),
    ],
)
def test_the_latest_birth_date_of_somebody_of_that_age(day: str, years: int, born: str) -> None:
    assert years_before(date.fromisoformat(day).toordinal(), years) == date.fromisoformat(born).toordinal()


@given(st.dates())
def test_days(day: date) -> None:
    ordinal = parse_day(day.isoformat())
    assert ordinal == day.toordinal()
    assert day_of(start_of(ordinal)) == day_of(start_of(ordinal) + DAY - 1) == ordinal
    adult_from(ordinal)
    years_before(ordinal, 13)


@pytest.mark.parametrize(
    "text", ["", "2026-3-10", "2026-02-29", "20260310", "2026-W10-2", "10-03-2026", "2026-03-10T00:00:00Z", "x" * 10]
)
def test_what_is_no_day(text: str) -> None:
    assert parse_day(text) is None
